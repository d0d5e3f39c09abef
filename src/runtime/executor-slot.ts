import { HF_ERR_EXECUTOR_INVALID, HF_ERR_EXECUTOR_TAKEN } from '../errors.ts'
import { show } from '../sse/event.ts'
import type { Executor, ExecutorLoad, ExecutorStats, Task } from './executor.ts'

const CAPABILITIES = ['prepare', 'admit', 'cancel', 'stats', 'close'] as const

/** Executors that some registration owns: threads and queues are not shared between apps. */
const owned = new WeakSet<Executor>()

/** An executor under the name that its app gave it, and the streams that it has. */
export class ExecutorSlot {
  readonly name: string
  readonly executor: Executor
  readonly running: Set<Task> = new Set()
  waiting: number = 0
  admitted: number = 0
  refused: number = 0
  lost: number = 0

  /** @throws HF_ERR_EXECUTOR_INVALID */
  constructor(name: string, executor: Executor) {
    if (typeof (executor as Partial<Executor> | undefined | null)?.run !== 'function') {
      throw new HF_ERR_EXECUTOR_INVALID(name, show(executor))
    }
    for (const capability of CAPABILITIES) {
      const method: unknown = executor[capability]
      if (method === undefined || typeof method === 'function') continue
      throw new HF_ERR_EXECUTOR_INVALID(name, `one whose ${capability} is ${show(method)}`)
    }
    this.name = name
    this.executor = executor
  }

  /**
   * Makes the executor its registration's own.
   *
   * @throws HF_ERR_EXECUTOR_TAKEN
   */
  claim(): void {
    if (owned.has(this.executor)) throw new HF_ERR_EXECUTOR_TAKEN(this.name)
    owned.add(this.executor)
  }

  get load(): ExecutorLoad {
    const { running, waiting, admitted, refused, lost } = this
    return { running: running.size, waiting, admitted, refused, lost }
  }

  stats(): ExecutorStats {
    return { ...this.load, ...this.executor.stats?.() }
  }
}
