import type { Executor, Task } from '../../src/index.ts'

/** What has waited for a client at most, looked at after each write. */
export interface Watched {
  most: number
  buffered: () => number
  /** Events that the server's thread has taken. */
  events: () => number
}

/**
 * The executor, whose streams are watched.
 *
 * @param route the only one to watch, as `GET /`. Default: all
 */
export function watching(executor: Executor, watched: Watched, route?: string): Executor {
  const watch = ({ sink }: Task): void => {
    watched.buffered = () => sink.buffered
    watched.events = () => sink.events
    const write = sink.write.bind(sink)
    sink.write = (chunk, events) => {
      const below = write(chunk, events)
      watched.most = Math.max(watched.most, sink.buffered)
      return below
    }
  }
  const run = executor.run.bind(executor)
  executor.run = (task) => {
    if (route === undefined || task.route === route) watch(task)
    return run(task)
  }
  return executor
}
