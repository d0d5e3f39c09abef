/** A stream of the server's thread as the near end of a link sees it, with its client in the test's own hand. */
import type { CloseReason, ElsewhereTask, TaskSink } from '../../../src/index.ts'
import * as producers from '../../../src/testing/producers.ts'

const ignore = (): void => {}

export class PlayedTask implements ElsewhereTask {
  /** Each call, in order: its name, then what it was given. */
  readonly calls: unknown[][] = []
  readonly executor = 'played'
  readonly route = 'GET /'
  readonly producer: ElsewhereTask['producer'] = producers.numbers
  readonly input: unknown = { count: 1 }
  readonly lastEventId = undefined
  readonly context: ElsewhereTask['context'] = { requestId: '1', route: 'GET /' }
  readonly options: ElsewhereTask['options']
  readonly coded = undefined
  readonly closed = false
  readonly log: ElsewhereTask['log'] = {
    trace: ignore,
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: ignore,
    fatal: ignore,
    level: 'info',
  }
  readonly sink: PlayedSink

  constructor(highWaterMark: number = 10) {
    this.options = { highWaterMark, maxBuffered: 100, overflow: 'close' }
    this.sink = new PlayedSink(this.calls, highWaterMark)
  }

  start(): void {
    this.calls.push(['start'])
  }
  leftOpen(): void {
    this.calls.push(['leftOpen'])
  }
  close(): void {
    this.calls.push(['close'])
  }
  end(): void {
    this.calls.push(['end'])
  }
  fail(error: unknown): void {
    this.calls.push(['fail', (error as Error).message])
  }
  lose(error: Error): void {
    this.calls.push(['lose', error.message])
  }
  cut(reason: CloseReason): void {
    this.calls.push(['cut', reason])
  }
}

/** Its client takes nothing before the test lets it. */
class PlayedSink implements TaskSink {
  readonly #calls: unknown[][]
  readonly #highWaterMark: number
  #ready: ((isOpen: boolean) => void)[] = []
  readonly closed = false
  events = 0
  buffered = 0

  constructor(calls: unknown[][], highWaterMark: number) {
    this.#calls = calls
    this.#highWaterMark = highWaterMark
  }

  write(chunk: string | Uint8Array, events: number): boolean {
    this.#calls.push(['write', String(chunk), events])
    this.events += events
    this.buffered += chunk.length
    return this.buffered <= this.#highWaterMark
  }

  writeCoded(): never {
    throw new Error('nothing is coded')
  }

  endTurn(): void {}

  async ready(): Promise<boolean> {
    return this.buffered <= this.#highWaterMark || new Promise((resolve) => this.#ready.push(resolve))
  }

  /** The client takes so many bytes, or all. */
  drain(bytes: number = this.buffered): void {
    this.buffered -= bytes
    if (this.buffered <= this.#highWaterMark) for (const resolve of this.#ready.splice(0)) resolve(true)
  }
}
