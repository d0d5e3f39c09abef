/** The server of a test of the contract. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { SseRouteOptions } from '../../fastify/declarations.ts'
import headfirst from '../../plugin.ts'
import type { CloseInfo } from '../../runtime/close-info.ts'
import type { Executor, ExecutorStats, Task } from '../../runtime/executor.ts'
import type { Producer } from '../../runtime/producer.ts'
import { Flag, until, untilRaised, type Flags } from '../flags.ts'
import { Observer, type Observed, type ObserverOptions } from '../observer.ts'
import { identity } from '../producers.ts'

/** The name that the executor under test is registered under. */
export const SUBJECT = 'subject'

interface LogEntry {
  level: number
  msg?: string
  reqId?: string
  by?: string
  /** Whose request it was where the line was written. */
  who?: string
  expected?: string
  err?: { code: string; message: string }
}

/** An app with the executor under test, a route for each producer, and the calls of `onClose`. */
export class ContractServer {
  /** Lines of the log. */
  readonly lines: LogEntry[] = []
  readonly app: FastifyInstance = Fastify({
    logger: {
      level: 'info',
      mixin: () => ({ who: identity.getStore() }),
      stream: { write: (line: string) => void this.lines.push(JSON.parse(line)) },
    },
  })
  #executor: Executor
  readonly #infos: CloseInfo[] = []
  readonly #observers: Observer[] = []
  #registered = false
  #routes = 0
  #stopping: Promise<void> | undefined

  constructor(executor: Executor) {
    this.#executor = executor
  }

  /** Adds a route. All routes come before the first observer.
   *
   * @returns its path
   */
  async route<Input>(
    producer: Producer<Input>,
    input: Input,
    options: SseRouteOptions = {},
  ): Promise<string> {
    if (!this.#registered) {
      await this.app.register(headfirst, {
        executors: { [SUBJECT]: this.#executor },
        executor: SUBJECT,
        onClose: (info) => this.#infos.push(info),
      })
      this.#registered = true
    }
    const path = `/${this.#routes++}`
    this.app.get(path, { sse: options }, async (_request, reply) =>
      reply.sse(producer as Producer<unknown>, input),
    )
    return path
  }

  async listen(): Promise<void> {
    if (!this.app.server.listening) await this.app.listen({ port: 0, host: '127.0.0.1' })
  }

  /** Opens a stream, on a thread of its own. */
  async observe(path: string, options?: ObserverOptions): Promise<Observer> {
    await this.listen()
    const observer = new Observer(this.#port, path, options)
    this.#observers.push(observer)
    return observer
  }

  /** Opens a stream, and waits for its first event. */
  async observeFirst(path: string, flags: Flags): Promise<Observer> {
    const observer = await this.observe(path, { flags })
    await untilRaised(flags, Flag.EVENTS)
    return observer
  }

  /** Opens a stream, and reads it to its end. */
  async receive(path: string, options?: ObserverOptions): Promise<Observed> {
    const observer = await this.observe(path, options)
    return observer.over()
  }

  /**
   * Notes the calls to the executor. To be called before the first route is added.
   *
   * @returns by path, in their order
   */
  recordCalls(): Record<string, string[]> {
    const calls: Record<string, string[]> = {}
    const executor = this.#executor
    const note = ({ route }: Task, call: string): void => {
      const path = route.slice('GET '.length)
      calls[path] = [...(calls[path] ?? []), call]
    }
    this.#executor = {
      ...(executor.mayBlock !== undefined && { mayBlock: executor.mayBlock }),
      ...(executor.compresses !== undefined && { compresses: executor.compresses }),
      prepare: (task) => executor.prepare?.(task),
      admit: async (task, load) => {
        await executor.admit?.(task, load)
        note(task, 'admit')
      },
      run: (task) => {
        note(task, 'run')
        return executor.run(task)
      },
      cancel: (task, reason) => {
        note(task, `cancel: ${reason}`)
        executor.cancel?.(task, reason)
      },
      close: (graceMs) => executor.close?.(graceMs),
    }
    return calls
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.#port}${path}`
  }

  /** A failure, with the line of the server's log about it: a `run()` that throws is seen nowhere else. */
  explain(failure: unknown): unknown {
    const { err } = this.lines.find(({ msg }) => msg === 'event stream failed') ?? {}
    if (failure instanceof Error && err !== undefined) {
      failure.message += `\nThe server has logged: ${err.message}`
    }
    return failure
  }

  /** The argument of `onClose`, which is called once, whatever has happened. */
  async closed(): Promise<CloseInfo> {
    await until(() => this.#infos.length > 0, 'onClose')
    assert.equal(this.#infos.length, 1)
    return this.#infos[0] as CloseInfo
  }

  load(): ExecutorStats {
    return this.app.sse.stats().executors[SUBJECT] as ExecutorStats
  }

  /** Resolves when no producer runs or waits. */
  async idle(): Promise<void> {
    await until(() => this.load().running + this.load().waiting === 0, 'the executor to be idle')
  }

  /** Stops the app, not its clients. */
  async stop(): Promise<void> {
    await (this.#stopping ??= this.app.close())
  }

  async close(): Promise<void> {
    await this.stop()
    await Promise.all(this.#observers.map((observer) => observer.dismiss()))
  }

  get #port(): number {
    return (this.app.server.address() as AddressInfo).port
  }
}
