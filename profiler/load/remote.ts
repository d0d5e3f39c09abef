/**
 * Child processes that answer questions: the server under test, the load generator, the micro benchmarks.
 *
 * Every question has a deadline, and no child outlives its parent: `stopAll()` ends them on every way out, and
 * a child whose parent was killed sees its channel close and leaves by itself.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { basename, extname } from 'node:path'

/** What a process can be asked, by name: what it takes, what it answers. */
export type Questions = Record<string, (input: never) => unknown>

type Input<Asked extends Questions, Name extends keyof Asked> = Parameters<Asked[Name]>[0]
type Answer<Asked extends Questions, Name extends keyof Asked> = Awaited<ReturnType<Asked[Name]>>

interface Message {
  id: number
  name: string
  input: unknown
}

interface Reply {
  id: number
  answer?: unknown
  error?: Error
}

interface Pending {
  resolve: (answer: never) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/** If a timer is to last longer, Node lets it fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

const living = new Set<{ kill(): void }>()
let stopped = false

/** A child process, seen from its parent. */
export class Remote<Asked extends Questions> {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  #nextId = 0
  #stopping = false

  /**
   * @param module the URL of the module that it runs
   * @param options of Node
   */
  constructor(module: URL, options: readonly string[] = []) {
    if (stopped) throw new Error('All children were stopped')
    const name = basename(module.pathname, extname(module.pathname))
    this.#name = name
    this.#child = fork(module, {
      serialization: 'advanced',
      execArgv: [...process.execArgv, ...options],
      // A table on stdout must not be mixed with what a child prints.
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    this.#child.on('message', (message: Reply) => this.#settle(message))
    this.#child.on('error', (error) => this.#fail(error))
    this.#child.on('exit', (code, signal) => {
      living.delete(this)
      this.#fail(new Error(`The ${name} has left with ${signal ?? `code ${code}`}`))
    })
    living.add(this)
  }

  /** @throws what the child threw, that it died, or that it did not answer in time */
  async ask<Name extends keyof Asked & string>(
    name: Name,
    input: Input<Asked, Name>,
    timeoutMs: number,
  ): Promise<Answer<Asked, Name>> {
    const id = this.#nextId++
    return new Promise<Answer<Asked, Name>>((resolve, reject) => {
      const expire = (): void => {
        this.#pending.delete(id)
        reject(new Error(`The ${this.#name} has not answered "${name}" within ${Math.round(timeoutMs)} ms`))
      }
      const timer = setTimeout(expire, Math.min(timeoutMs, LONGEST_TIMER_MS))
      this.#pending.set(id, { resolve, reject, timer })
      this.#child.send({ id, name, input } satisfies Message, (error) => {
        if (error !== null) this.#fail(error)
      })
    })
  }

  /** Resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (!living.has(this)) return
    const exited = once(this.#child, 'exit')
    this.kill()
    await exited
  }

  /** Nothing a child does is worth waiting for: what was measured has been answered. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #settle({ id, answer, error }: Reply): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    clearTimeout(pending.timer)
    if (error === undefined) pending.resolve(answer as never)
    else pending.reject(new Error(`In the ${this.#name}: ${error.message}`, { cause: error }))
  }

  #fail(error: Error): void {
    for (const { reject, timer } of this.#pending.values()) {
      // It would keep the process for as long as the question may take.
      clearTimeout(timer)
      // Whoever stops a child waits for no answer of it.
      if (!this.#stopping) reject(error)
    }
    this.#pending.clear()
  }
}

/** Ends every child, for good. */
export function stopAll(): void {
  stopped = true
  for (const remote of living) remote.kill()
}

/**
 * In the child: answers questions until the parent is gone. Call it in a module that the parent imports only types
 * of: it would ignore Ctrl-C, too.
 */
export function serve(questions: Questions): void {
  // Ctrl-C in a terminal reaches every process of the group: the parent decides when its children end.
  process.on('SIGINT', () => {})
  process.on('disconnect', () => process.exit())
  process.on('message', ({ id, name, input }: Message) => {
    void reply(id, async () => questions[name]?.(input as never))
  })
}

async function reply(id: number, ask: () => Promise<unknown>): Promise<void> {
  let message: Reply
  try {
    message = { id, answer: await ask() }
  } catch (error) {
    message = { id, error: error instanceof Error ? error : new Error(String(error)) }
  }
  process.send?.(message)
}

/** A module next to another one: in `build` and, where Node strips types, in the sources alike. */
export const beside = (url: string, name: string): URL => new URL(`${name}${extname(url)}`, url)
