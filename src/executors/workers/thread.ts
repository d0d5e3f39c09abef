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

/** Bytes that one thread's ring may take of one turn of the event loop; between turns new clients get heads. */
const BUDGET_BYTES = 131_072

/**
 * A ring that has something again within this many ms is busy: its reader then rests for REST_MS instead of going
 * to sleep. A doorbell costs the server's thread more than an event, so that a thread with many quiet streams
 * would cost it several times what they cost there; so one look collects what came in a millisecond. A ring that
 * has something less often is read at once.
 */
const BUSY_MS = 2.5
const REST_MS = 1

export interface ThreadEvents {
  /** A stream's producer starts. */
  started: (running: Running) => void
  /** A stream's producer is done, or its thread is gone: its place is free. */
  done: (running: Running) => void
  /** A stream's module did not load, for this error; or, without one, its thread has ended before that. */
  unloaded: (running: Running, error?: Error) => void
  /** A thread has died with these streams, which it had not begun. */
  orphaned: (streams: readonly Running[]) => void
}

/**
 * One worker thread, as the server's thread sees it: the reading end of its ring.
 *
 * Each doorbell drains the ring into the streams' sinks, at most a budget per turn of the event loop; while
 * there is more the next turn goes on, and only when the ring is empty does the reader go to sleep.
 */
export class Thread implements FrameHandler {
  readonly id: number
  readonly worker: Worker
  readonly streams: Map<number, Running> = new Map()
  /** What it died of, or is about to. */
  cause: Error | undefined
  /** Modules that did not load here, by {@link moduleKey}. */
  readonly unloadable: Set<string> = new Set()
  readonly #events: ThreadEvents
  /** Slots of the credit that were used and are free again. */
  readonly #freeSlots: number[] = []
  #usedSlots = 0
  #credit: SharedArrayBuffer | undefined
  #ring: RingReader | undefined
  #port: MessagePort | undefined
  #turn: NodeJS.Immediate | undefined
  /** Looks at the ring where no doorbell came. */
  #watch: NodeJS.Timeout | undefined
  #rest: NodeJS.Timeout | undefined
  /** When the ring last had something, on the clock of `performance.now()`. */
  #lastReadAt = 0
  /** Streams that got something from the ring in this turn. */
  readonly #served = new Set<Running>()
  /** Streams whose task has returned, so that their last frame stands in the ring. */
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

  /** True once the thread has loaded, also after its death. */
  get started(): boolean {
    return this.#ring !== undefined
  }

  /** True while the thread can be given streams. */
  get ready(): boolean {
    return this.started && this.cause === undefined
  }

  /** The thread has started. */
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

  /** A place for a stream that the thread, which is ready, is about to be given. */
  takeSlot(): number {
    return this.#freeSlots.pop() ?? this.#usedSlots++
  }

  credit(slot: number): Creditor {
    return new Creditor(this.#credit as SharedArrayBuffer, slot)
  }

  give(running: Running): void {
    // A thread with streams keeps the process alive; one without does not.
    if (this.streams.size === 0) this.#port?.ref()
    this.streams.set(running.stream, running)
  }

  /** Tells the thread that a stream was closed from outside. */
  close(running: Running, reason: CloseReason): void {
    running.credit.close(reason)
    this.#notify(running.stream)
  }

  /** Piscina could not send the order to the thread, so that it will never hear of this stream. */
  refuse(running: Running, error: unknown): void {
    this.#forget(running)
    running.task.fail(error)
  }

  /** A stream's task has returned. What it has written is read in its order all the same. */
  returned(running: Running): void {
    if (this.streams.get(running.stream) !== running) return
    this.#returned.add(running)
    this.#turn ??= setImmediate(this.#onTurn)
  }

  /** Share of time since the last call in which the thread was busy, from 0 to 1. */
  utilization(): number {
    const now = this.worker.performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization)
    this.#utilization = now
    return utilization
  }

  /** The thread is gone: what it had sent still goes out, then the streams that it had begun are lost. */
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
      // Memory that the thread may have overwritten: what was read of the stream counts first.
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

  /** Tells the worker how far the client is, unless the slot is no longer the stream's. */
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
    this.#freeSlots.push(running.slot)
    if (this.streams.size === 0) this.#port?.unref()
    this.#events.done(running)
  }

  #drain(): void {
    // A turn that is already planned goes on where this one would.
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
   * Drains the ring. A thread that has overwritten it is stopped: its streams are lost, and nothing else.
   *
   * @returns true when nothing more can be read
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

  /** Hands over what stands in the ring. Does nothing within a reading that goes on. */
  collect(): void {
    if (this.#isReading) return
    this.#read(Infinity)
    this.#serve()
  }

  /** @throws FramesInvalid when the ring is empty, and the last frame of a stream was not in it */
  #expectNoneReturned(): void {
    for (const running of this.#returned) {
      const { stream } = running
      if (this.streams.get(stream) === running) throw new FramesInvalid(`stream ${stream} has no end`)
    }
    this.#returned.clear()
  }

  /** Sends off what streams got in this turn, and tells the worker how far their clients are. */
  #serve(): boolean {
    if (this.#served.size === 0) return false
    for (const running of this.#served) {
      running.task.sink.endTurn()
      this.#settle(running)
    }
    this.#served.clear()
    return true
  }

  /** The ring is empty: the reader sleeps, or rests. False when something has come meanwhile. */
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
