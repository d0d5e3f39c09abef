import type { Executor } from 'headfirst'

/** A user's executor, under the name of its file. */
export interface OwnExecutor {
  name: string
  url: string
}

/**
 * The executor of a user's module: its default export, or what that makes when it is a function.
 *
 * @throws when there is none
 */
export async function loadExecutor(url: string): Promise<Executor> {
  const { default: exported } = (await import(url)) as {
    default?: Executor | (() => Executor | Promise<Executor>)
  }
  const executor = typeof exported === 'function' ? await exported() : exported
  if (typeof executor?.run !== 'function') {
    throw new Error(
      `${url} should have an executor (an object with a method "run"), or a function that makes one, as its default export; got ${typeof executor}`,
    )
  }
  return executor
}
