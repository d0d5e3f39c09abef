/**
 * The contract between the runtime and an executor: where does a producer run, and what carries its events back.
 * docs/writing-an-executor.md builds one; the suite in `headfirst/testing` tests any.
 */
import type { Checksum, ContentCoding } from '../sse/compression.ts'
import type { CloseReason, StreamContext, StreamLog } from '../sse/stream.ts'
import type { ResolvedOptions } from './resolve-options.ts'
import type { Pause, Producer } from './producer.ts'

/**
 * Runs producers. Only `run` is required; each other method is a capability.
 *
 * Every stream that is admitted is given to `run()` or taken back by `cancel()`, exactly once. After `run()` there may
 * be a `cancel()` as well.
 */
export interface Executor {
  /**
   * Checks, before the head leaves, whether this executor can run such a task at all, and gets ready for it.
   * What it throws (or rejects with) is replied as an error, and the producer never runs. A promise holds the
   * head back until it settles.
   */
  prepare?(task: Task): void | Promise<void>
  /**
   * Decides, before the head leaves, whether there is room for this stream now. Throw an error (or reject with one)
   * that has a `statusCode` (503) to refuse it: it is replied as the route's `refusal` says, and the producer never
   * runs. A promise holds the head back until it settles; until then the stream counts as `waiting`. If the client
   * leaves meanwhile, `cancel()` follows as soon as it has resolved.
   *
   * @param load this executor's streams at this moment, without this one
   */
  admit?(task: Task, load: ExecutorLoad): void | Promise<void>
  /**
   * The head has left: see to it that the producer runs, now or later. On the server's thread call
   * `task.produce()` once (see {@link HereTask}). Elsewhere see {@link ElsewhereTask}. What it throws or rejects with
   * ends the stream as `error`.
   */
  run(task: Task): void | Promise<void>
  /**
   * A stream that was admitted comes to nothing: its client left before the head, a hook threw, `onOpen` closed it.
   * Or a stream that was given to `run()` was closed from outside before its producer was done. Its `EventStream` on
   * the server's thread knows; an executor with a queue forgets it, one that runs it elsewhere passes it on.
   */
  cancel?(task: Task, reason: CloseReason): void
  /**
   * A stream is about to be closed from outside: hand over now what its producer has sent so far, where that stands
   * somewhere and has not been handed over yet.
   */
  collect?(task: Task): void
  /** True when its producers have threads to spare, so that they may wait in place (`overflow: 'block'`). */
  readonly mayBlock?: boolean
  /** True when it compresses what a task's `coded` asks for by itself, where its producers run. */
  readonly compresses?: boolean
  /** What only this executor knows, for `app.sse.stats()`. */
  stats?(): ExecutorDetails
  /** How busy each of its threads has been, for the plugin's option `profile`. */
  threadTimes?(): readonly ThreadTime[]
  /** Called once if there is a subscriber: report each thread (or process, or machine) that starts or ends. */
  observe?(threads: ThreadMoments): void
  /** The server closes and all streams were cancelled: release threads and timers within `graceMs`. */
  close?(graceMs: number): void | Promise<void>
}

/** Why a stream may be closed from outside while its client is still there. */
export type CutReason = Extract<CloseReason, 'timeout' | 'overflow' | 'shutdown' | 'lost'>

/** One stream, as its executor sees it. An executor runs its producer in one of two ways: here, or elsewhere. */
export interface Task extends HereTask, ElsewhereTask {}

/** What every executor may know of a stream, and do with it. */
export interface AnyTask {
  /** The name under which the executor was registered. */
  readonly executor: string
  /** The route, as `GET /path/:id`. */
  readonly route: string
  readonly producer: Producer<never>
  readonly input: unknown
  readonly lastEventId: string | undefined
  readonly context: StreamContext
  readonly log: StreamLog & { readonly level: string }
  /** The route's. */
  readonly options: Pick<ResolvedOptions, 'highWaterMark' | 'maxBuffered' | 'overflow'>
  /** True once the stream was closed, from whichever side. */
  readonly closed: boolean
  /**
   * Closes the stream from outside, after what was taken so far; `cancel()` is called as for any such close.
   *
   * @param error what `onClose` gets as `info.error`. It is no error of the server's, and is logged as `debug`
   */
  cut(reason: CutReason, error?: Error): void
}

/** For executors that run producers on the server's thread. */
export interface HereTask extends AnyTask {
  /**
   * Starts the producer on this thread, in this very call, and sees it to its end. Does nothing for a stream
   * that is closed already.
   *
   * @param pause asked after each event of a generator whether it has to wait. Default: a turn of the event loop
   *   every 5 ms
   * @returns resolves when the producer is done; never rejects
   */
  produce(pause?: Pause): Promise<void>
}

/**
 * For executors that run producers on another thread, in another process or on another machine: `start()`, then any
 * number of writes to the `sink`, then one of `end()`, `fail()` and `lose()`.
 */
export interface ElsewhereTask extends AnyTask {
  /** Where the executor writes what the producer sends: whole events, in order. */
  readonly sink: TaskSink
  /**
   * Set where the executor `compresses`: the body has to go through `sink.writeCoded()`, in this coding, and begins
   * with this text. Else what is written to the sink is compressed there, if it has to be.
   */
  readonly coded: { readonly coding: ContentCoding; readonly firstWords: string } | undefined
  /** The producer starts now. */
  start(): void
  /** The producer has returned nothing, its stream is open, and it has never asked for the signal: warns of it. */
  leftOpen(): void
  /** The producer has called `stream.close()`, and may go on for a while. */
  close(): void
  /** The producer is done, and all that it sent stands in the sink. */
  end(): void
  /** The producer threw. */
  fail(error: unknown): void
  /** What ran the producer has died: a thread, a process, a machine. */
  lose(error: Error): void
}

/** The way to a client, for an executor that runs producers elsewhere. */
export interface TaskSink {
  /**
   * Takes whole events, and lines between them: text, or UTF-8 bytes that the sink may keep.
   *
   * @param events how many events are in it
   * @returns false when the sink is over the route's `highWaterMark`, or closed (then nothing was taken)
   */
  write(chunk: string | Uint8Array, events: number): boolean
  /**
   * Takes blocks of a body that the executor has compressed, in place of {@link write}.
   *
   * @param checksum of the body so far, before compression, these blocks included
   */
  writeCoded(blocks: Uint8Array, events: number, checksum: Readonly<Checksum>): boolean
  /** Sends now what `flush: 'tick'` would hold until the end of the event loop's turn. */
  endTurn(): void
  /** Bytes that were taken, and that the kernel has not. */
  readonly buffered: number
  /** Events that were taken. */
  readonly events: number
  /** True once nothing more is taken. */
  readonly closed: boolean
  /** Resolves with true when the sink is below the route's `highWaterMark`, with false when it has closed. */
  ready(): Promise<boolean>
}

/** The streams of one executor. `running` and `waiting` are of now, the others since the start. */
export interface ExecutorLoad {
  /** Producers that have started and are not done (their client may have left). */
  running: number
  /** Admitted, not yet started. */
  waiting: number
  admitted: number
  refused: number
  /** Ended because their thread died. */
  lost: number
}

export interface ExecutorDetails {
  /** Threads alive. */
  threads?: number
}

/** What an executor tells of its threads. */
export interface ThreadMoments {
  /** It can be given streams. `thread` is never that of another thread of this executor. */
  threadUp(thread: number): void
  /** It has ended, or did not start. `cause` is undefined where it was told to end. */
  threadGone(thread: number, cause: Error | undefined): void
}

/** One thread alive, since its start. */
export interface ThreadTime {
  /** Never that of another thread of this executor. */
  id: number
  /** For how long its event loop did something, in ms. */
  activeMs: number
  /** For how long it waited, in ms. */
  idleMs: number
}

export interface ExecutorStats extends ExecutorLoad, ExecutorDetails {}
