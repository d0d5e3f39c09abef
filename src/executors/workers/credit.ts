/**
 * The state of one stream that the server's thread and the worker share without messages: five words of shared memory.
 *
 * - `CLOSED`: 0, or the reason for which the stream was closed from outside (its index in CLOSE_REASONS, plus 1). Stored by
 *   the server's thread.
 * - `DRAINED`: bytes of the stream that the kernel has taken, modulo 2^32. Stored by the server's thread. Bytes written
 *   by the worker, minus this, wait for the client.
 * - `WAITING`: how to wake the worker when one of these two changes: 0 for not at all, else a bit set of BY_*. The
 *   worker sets it, then reads the two words again; the server's thread changes a word, then exchanges `WAITING` for 0.
 *   So no change is missed.
 * - `TURN`: the number of wake-ups. A worker that blocks waits for a change of this word.
 * - `BEGUN`: 1 once the worker has begun the stream. From then on the stream is lost if its thread dies. Stored by the
 *   worker.
 */
import { CLOSE_REASONS, type CloseReason } from '../../sse/stream.ts'

const CLOSED = 0
const DRAINED = 1
const WAITING = 2
const TURN = 3
const BEGUN = 4
const WORDS = 5

const BY_MESSAGE = 1
const BY_NOTIFY = 2

/** @param streams number of cells: streams of one thread at a time */
export function allocateCredit(streams: number): SharedArrayBuffer {
  return new SharedArrayBuffer(streams * WORDS * Int32Array.BYTES_PER_ELEMENT)
}

/** The end of a stream's cell on the server's thread. */
export class Creditor {
  readonly #words: Int32Array<SharedArrayBuffer>

  /** Clears the cell. The last stream of the cell must have ended on its thread. */
  constructor(memory: SharedArrayBuffer, cell: number) {
    this.#words = new Int32Array(memory, cell * WORDS * Int32Array.BYTES_PER_ELEMENT, WORDS)
    this.#words.fill(0)
  }

  /** True if the worker has begun the stream. Read it when the thread has died, or the stream has ended. */
  get begun(): boolean {
    return Atomics.load(this.#words, BEGUN) !== 0
  }

  /** @returns true if the worker waits for a message */
  drained(bytes: number): boolean {
    Atomics.store(this.#words, DRAINED, bytes | 0)
    return this.#wake()
  }

  /** @returns true if the worker waits for a message */
  close(reason: CloseReason): boolean {
    Atomics.store(this.#words, CLOSED, CLOSE_REASONS.indexOf(reason) + 1)
    return this.#wake()
  }

  #wake(): boolean {
    // Loaded before it is exchanged: the worker seldom waits, and a write would move the cache line.
    if (Atomics.load(this.#words, WAITING) === 0) return false
    const waiting = Atomics.exchange(this.#words, WAITING, 0)
    if ((waiting & BY_NOTIFY) !== 0) {
      Atomics.add(this.#words, TURN, 1)
      Atomics.notify(this.#words, TURN)
    }
    return (waiting & BY_MESSAGE) !== 0
  }
}

/** The end of a stream's cell on the worker. */
export class Debtor {
  readonly #words: Int32Array<SharedArrayBuffer>
  #written = 0

  constructor(memory: SharedArrayBuffer, cell: number) {
    this.#words = new Int32Array(memory, cell * WORDS * Int32Array.BYTES_PER_ELEMENT, WORDS)
  }

  begin(): void {
    Atomics.store(this.#words, BEGUN, 1)
  }

  get closed(): boolean {
    return Atomics.load(this.#words, CLOSED) !== 0
  }

  /** Why the stream was closed from outside; undefined while it is open. */
  get reason(): CloseReason | undefined {
    return CLOSE_REASONS[Atomics.load(this.#words, CLOSED) - 1]
  }

  /** Bytes written that the kernel has not taken. */
  get owed(): number {
    return (this.#written - Atomics.load(this.#words, DRAINED)) | 0
  }

  written(bytes: number): void {
    this.#written = (this.#written + bytes) | 0
  }

  /** Requests a message at the next change. Read the words again after the call: they may have changed before it. */
  askForMessage(): void {
    Atomics.or(this.#words, WAITING, BY_MESSAGE)
  }

  /**
   * Blocks the thread until `holds()` is true, at most `timeoutMs` ms.
   *
   * @returns the last value of `holds()`
   */
  waitUntil(holds: () => boolean, timeoutMs: number): boolean {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const turn = Atomics.load(this.#words, TURN)
      Atomics.or(this.#words, WAITING, BY_NOTIFY)
      if (holds()) return true
      const left = deadline - performance.now()
      if (left <= 0 || Atomics.wait(this.#words, TURN, turn, left) === 'timed-out') return holds()
    }
  }
}
