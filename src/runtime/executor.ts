/**
 * The contract between the runtime and an executor: where a producer runs, and what carries its events back.
 * docs/writing-an-executor.md builds two; the suite in `headfirst/testing` tests any.
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
 *
 * @example
 * const inTheNextTurn: Executor = { run: (task) => void setImmediate(() => task.produce()) }
 * await app.register(headfirst, { executors: { inTheNextTurn } })
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
   * The head has left: runs the producer, now or later. On the server's thread call `task.produce()` once (see
   * {@link HereTask}). Elsewhere see {@link ElsewhereTask}. What it throws or rejects with ends the stream as `error`.
   */
  run(task: Task): void | Promise<void>
  /**
   * A stream that was admitted does not run: its client left before the head, a hook threw, `onOpen` closed it. Or a
   * stream that was given to `run()` was closed from outside before its producer was done. On the server's thread its
   * `EventStream` is closed already; an executor with a queue forgets the task, one that runs it elsewhere passes the
   * reason on.
   */
  cancel?(task: Task, reason: CloseReason): void
  /**
   * A stream is about to be closed from outside: hands over now what its producer has sent and the sink does not have
   * yet.
   */
  collect?(task: Task): void
  /** True when its producers may wait in place (`overflow: 'block'`), because their threads serve nothing else. */
  readonly mayBlock?: boolean
  /** True when it compresses by itself, where its producers run, what a task's `coded` names. */
  readonly compresses?: boolean
  /** Its own part of `app.sse.stats()`. */
  stats?(): ExecutorDetails
  /** How busy each of its threads has been, for the plugin's option `profile`. */
  threadTimes?(): readonly ThreadTime[]
  /** Called once where a subscriber takes such moments: report each thread (or process, or machine) that starts or ends. */
  observe?(threads: ThreadMoments): void
  /** The server closes, and all streams were cancelled: releases threads and timers within `graceMs`. */
  close?(graceMs: number): void | Promise<void>
}

/** Why a stream may be closed from outside while its client is still there. */
export type CutReason = Extract<CloseReason, 'timeout' | 'overflow' | 'shutdown' | 'lost'>

/** One stream, as its executor sees it. Its producer runs in one of two ways: here, or elsewhere. */
export interface Task extends HereTask, ElsewhereTask {}

/** What every executor may read of a stream, and do with it. */
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
   * @param error `onClose` gets it as `info.error`. It is no error of the server, and is logged as `debug`
   */
  cut(reason: CutReason, error?: Error): void
}

/** For executors that run producers on the server's thread. */
export interface HereTask extends AnyTask {
  /**
   * Starts the producer on this thread, in this very call, and sends what it yields until it is done. Does nothing for
   * a stream that is closed already.
   *
   * @param pause called after each event of a generator: its promise makes the generator wait. Default: a turn of the
   *   event loop every 5 ms
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
   * Set where the executor `compresses` this stream: the body goes through `sink.writeCoded()`, in this coding, and
   * begins with this text. Without it the sink compresses what is written to it, where the client accepts that.
   */
  readonly coded: { readonly coding: ContentCoding; readonly firstWords: string } | undefined
  /** The producer starts now. */
  start(): void
  /** The producer has returned nothing, its stream is open, and it has never read `stream.signal`: logs a warning. */
  leftOpen(): void
  /** The producer has called `stream.close()`, and may go on for a while. */
  close(): void
  /** The producer is done, and all that it sent stands in the sink. */
  end(): void
  /** The producer threw. */
  fail(error: unknown): void
  /** The thread, process or machine of the producer has died. */
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

/** What an executor reports of its threads. */
export interface ThreadMoments {
  /** It can take streams. `thread` is a number of its own, also among those that are gone. */
  threadUp(thread: number): void
  /** It has ended, or did not start. `cause` is undefined where the executor has ended it. */
  threadGone(thread: number, cause: Error | undefined): void
}

/** One thread alive, since its start. */
export interface ThreadTime {
  /** A number of its own, also among those that are gone. */
  id: number
  /** For how long its event loop was busy, in ms. */
  activeMs: number
  /** For how long it waited, in ms. */
  idleMs: number
}

export interface ExecutorStats extends ExecutorLoad, ExecutorDetails {}
