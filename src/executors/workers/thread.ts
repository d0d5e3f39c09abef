import { performance, type EventLoopUtilization } from 'node:perf_hooks'
import type { MessagePort, Worker } from 'node:worker_threads'
import { HF_ERR_THREAD_LOST } from '../../errors.ts'
import type { CloseReason } from '../../sse/stream.ts'
import { Creditor } from './credit.ts'
import { FrameKind, FramesInvalid } from '../elsewhere/frames.ts'
import type { IncomingEvents } from '../elsewhere/incoming.ts'
import type { Hello, Notice } from './protocol.ts'
import { LOOK_MS, RingReader, type FrameHandler } from './ring.ts'
import type { Running } from './running.ts'

/** Bytes read from one thread's ring in one turn of the event loop. Between turns, new clients get their heads. */
const BUDGET_BYTES = 131_072

/**
 * A ring with frames again within this many ms is busy: it is polled after REST_MS. A doorbell costs the server's
 * thread more than an event. With many quiet streams on one thread, a doorbell for each event would cost it several
 * times as much as the same streams on its own thread, so one poll takes the frames of a whole millisecond. A ring that
 * is not busy is read at once, by its doorbell.
 */
const BUSY_MS = 2.5
const REST_MS = 1

/** Callbacks of a thread, for its pool. */
export interface ThreadEvents {
  /** The producer of a stream starts. */
  started: (running: Running) => void
  /** The producer of a stream has finished, or its thread has died: its place is free. */
  done: (running: Running) => void
  /**
   * The module of a stream did not load, with its error. Without an error: its thread has died before it had loaded.
   */
  unloaded: (running: Running, error?: Error) => void
  /** A thread has died before it began these streams. */
  orphaned: (streams: readonly Running[]) => void
}

/**
 * The server's side of one worker thread. It reads the thread's ring.
 *
 * Each doorbell drains the ring into the streams' sinks, at most BUDGET_BYTES in one turn of the event loop. If there
 * is more, the next turn continues. When the ring is empty, the reader sleeps, or rests if the ring is busy.
 */
export class Thread implements FrameHandler {
  readonly id: number
  readonly worker: Worker
  readonly streams: Map<number, Running> = new Map()
  /** Why it has died, or is being terminated. */
  cause: Error | undefined
  /** Keys of modules that did not load on it, see {@link moduleKey}. */
  readonly unloadable: Set<string> = new Set()
  readonly #events: ThreadEvents
  /** Cells of the credit that were used, and are free again. */
  readonly #freeCells: number[] = []
  #usedCells = 0
  #credit: SharedArrayBuffer | undefined
  #ring: RingReader | undefined
  #port: MessagePort | undefined
  #turn: NodeJS.Immediate | undefined
  /** Polls the ring every LOOK_MS, in case a doorbell is missing. */
  #watch: NodeJS.Timeout | undefined
  #rest: NodeJS.Timeout | undefined
  /** When the ring last had frames, on the clock of `performance.now()`. */
  #lastReadAt = 0
  /** Streams that got events in this turn. */
  readonly #served = new Set<Running>()
  /** Streams whose piscina task has returned: their last frame must be in the ring. */
  readonly #returned = new Set<Running>()
  #corrupt = false
  #isReading = false
  readonly #incoming: IncomingEvents<Running>
  #utilization: EventLoopUtilization

  constructor(worker: Worker, events: ThreadEvents) {
    this.id = worker.threadId
    this.worker = worker
    this.#events = events
    this.#incoming = {
      started: (running) => events.started(running),
      ended: (running, unloaded) => {
        if (unloaded !== undefined) events.unloaded(running, unloaded)
        this.#forget(running)
      },
    }
    this.#utilization = worker.performance.eventLoopUtilization()
  }

  /** True once the thread has loaded entry.ts, also after its death. */
  get started(): boolean {
    return this.#ring !== undefined
  }

  /** True while the thread can be given streams. */
  get ready(): boolean {
    return this.started && this.cause === undefined
  }

  /** Takes the first message of the thread, which has loaded entry.ts. */
  greet({ ring, credit, port }: Hello): void {
    if (this.#ring !== undefined) return
    this.#credit = credit
    this.#ring = new RingReader(ring)
    this.#port = port
    port.on('message', () => this.#drain())
    port.unref()
    this.#watch = setInterval(() => this.#drain(), LOOK_MS).unref()
    this.#drain()
  }

  /** Reserves a cell of the credit. The thread must be ready, and have a free place. */
  takeCell(): number {
    return this.#freeCells.pop() ?? this.#usedCells++
  }

  credit(cell: number): Creditor {
    return new Creditor(this.#credit as SharedArrayBuffer, cell)
  }

  give(running: Running): void {
    // A thread with streams keeps the process alive, a thread without streams does not.
    if (this.streams.size === 0) this.#port?.ref()
    this.streams.set(running.stream, running)
  }

  /** Closes a stream from outside, and notifies the thread. */
  close(running: Running, reason: CloseReason): void {
    running.credit.close(reason)
    this.#notify(running.stream)
  }

  /** Ends a stream as failed, because piscina could not send its order to the thread. */
  refuse(running: Running, error: unknown): void {
    this.#forget(running)
    running.task.fail(error)
  }

  /** Called when the piscina task of a stream has returned. Its last frames may still be in the ring. */
  returned(running: Running): void {
    if (this.streams.get(running.stream) !== running) return
    this.#returned.add(running)
    this.#turn ??= setImmediate(this.#onTurn)
  }

  /** The share of the time since the last call in which the thread's event loop was busy, from 0 to 1. */
  utilization(): number {
    const now = this.worker.performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization)
    this.#utilization = now
    return utilization
  }

  /** Handles the thread's death: what it had sent is still delivered, then the streams that it had begun are lost. */
  bury(cause: Error): void {
    this.cause ??= cause
    if (this.#turn !== undefined) clearImmediate(this.#turn)
    clearTimeout(this.#rest)
    clearInterval(this.#watch)
    this.#read(Infinity)
    this.#port?.close()
    const orphans: Running[] = []
    for (const running of this.streams.values()) {
      this.#forget(running)
      // The thread may have overwritten the credit, so a START frame that was read counts too.
      if (!running.started && !running.credit.begun) {
        orphans.push(running)
        continue
      }
      if (!running.started) this.#events.unloaded(running)
      running.task.lose(this.cause)
    }
    if (orphans.length > 0) this.#events.orphaned(orphans)
  }

  data(stream: number, bytes: Buffer, events: number, coded: boolean): void {
    const running = this.streams.get(stream)
    if (running === undefined) return
    const below = running.events(coded ? FrameKind.CODED : FrameKind.DATA, bytes, events)
    this.#served.add(running)
    if (!below) void running.whenReady(() => this.#settle(running))
  }

  control(stream: number, kind: FrameKind, payload: Uint8Array): void {
    const running = this.streams.get(stream)
    running?.control(kind, payload, this.#incoming)
  }

  /** Updates the stream's credit, if its cell is still its own. */
  #settle(running: Running): void {
    if (this.streams.get(running.stream) !== running) return
    if (running.credit.drained(running.drained)) this.#notify(running.stream)
  }

  #notify(stream: number): void {
    this.#port?.postMessage({ stream } satisfies Notice)
  }

  #forget(running: Running): void {
    clearTimeout(running.grace)
    this.streams.delete(running.stream)
    this.#freeCells.push(running.cell)
    if (this.streams.size === 0) this.#port?.unref()
    this.#events.done(running)
  }

  #drain(): void {
    // If a turn is scheduled already, it drains the ring.
    if (this.#turn === undefined) this.#onTurn()
  }

  readonly #onTurn = (): void => {
    this.#turn = undefined
    if (this.#rest !== undefined) {
      clearTimeout(this.#rest)
      this.#rest = undefined
      this.#ring?.wake()
    }
    const empty = this.#read(BUDGET_BYTES)
    const news = this.#serve()
    if (!empty || !this.#pause(news)) this.#turn = setImmediate(this.#onTurn)
  }

  /**
   * Drains the ring. If the thread has overwritten it, the thread is terminated, and only its streams are lost.
   *
   * @returns true if nothing more can be read
   */
  #read(budget: number): boolean {
    if (this.#ring === undefined || this.#corrupt) return true
    this.#isReading = true
    try {
      const empty = this.#ring.drain(budget, this)
      if (empty) this.#expectNoneReturned()
      return empty
    } catch (error) {
      this.#corrupt = true
      this.cause ??= new HF_ERR_THREAD_LOST('it has overwritten its ring', { cause: error })
      void this.worker.terminate()
      return true
    } finally {
      this.#isReading = false
    }
  }

  /** Passes on everything that is in the ring now. Does nothing when it is called while the ring is read. */
  collect(): void {
    if (this.#isReading) return
    this.#read(Infinity)
    this.#serve()
  }

  /** @throws FramesInvalid if the ring is empty, and the last frame of a stream that has returned was not in it */
  #expectNoneReturned(): void {
    for (const running of this.#returned) {
      const { stream } = running
      if (this.streams.get(stream) === running) throw new FramesInvalid(`stream ${stream} has no end`)
    }
    this.#returned.clear()
  }

  /** Sends what streams got in this turn, and updates their credit. True if there were any. */
  #serve(): boolean {
    if (this.#served.size === 0) return false
    for (const running of this.#served) {
      running.task.sink.endTurn()
      this.#settle(running)
    }
    this.#served.clear()
    return true
  }

  /** Lets the reader sleep, or rest if the ring is busy. False if it must drain again at once. */
  #pause(news: boolean): boolean {
    if (this.#ring === undefined || this.#corrupt) return true
    const now = performance.now()
    const busy = news && now - this.#lastReadAt < BUSY_MS
    if (news) this.#lastReadAt = now
    if (!busy) return this.#ring.sleep()
    if (!this.#ring.rest()) return false
    this.#rest = setTimeout(this.#onTurn, REST_MS)
    return true
  }
}
