/**
 * What the server's thread and a worker's stream tell each other without a message: five words of shared memory per
 * stream.
 *
 * - `CLOSED`: 0, or why the stream was closed from outside (its place in REASONS, from 1). Stored by the server.
 * - `DRAINED`: bytes of the stream that the kernel has taken, modulo 2^32. Stored by the server. What the worker
 *   has written less this is what waits.
 * - `WAITING`: how the worker wants to be woken when one of the two changes: 0 not at all, else a bit set of BY_*.
 *   The worker sets it, then looks once more; the server changes a word, then exchanges `WAITING` for 0.
 * - `TURN`: counts wake-ups. A worker that waits in place waits for it to change.
 * - `BEGUN`: 1 once the worker has taken the stream up: from then on it dies with its thread. Stored by the worker.
 */
import type { CloseReason } from '../../sse/stream.ts'

const CLOSED = 0
const DRAINED = 1
const WAITING = 2
const TURN = 3
const BEGUN = 4
const WORDS = 5

const BY_MESSAGE = 1
const BY_NOTIFY = 2

const REASONS: readonly CloseReason[] = [
  'ended',
  'client',
  'error',
  'timeout',
  'overflow',
  'shutdown',
  'lost',
]

/** @param streams how many streams may have a slot at a time */
export function allocateCredit(streams: number): SharedArrayBuffer {
  return new SharedArrayBuffer(streams * WORDS * Int32Array.BYTES_PER_ELEMENT)
}

/** One stream's slot, as the server's thread sees it. */
export class Creditor {
  readonly #words: Int32Array<SharedArrayBuffer>

  /** Clears the slot: its last stream must be gone from its thread. */
  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#words = new Int32Array(memory, slot * WORDS * Int32Array.BYTES_PER_ELEMENT, WORDS)
    this.#words.fill(0)
  }

  /** Whether the worker had taken the stream up. To be asked when it is gone. */
  get begun(): boolean {
    return Atomics.load(this.#words, BEGUN) !== 0
  }

  /** @returns true when the worker asked for a message */
  drained(bytes: number): boolean {
    Atomics.store(this.#words, DRAINED, bytes | 0)
    return this.#wake()
  }

  /** @returns true when the worker asked for a message */
  close(reason: CloseReason): boolean {
    Atomics.store(this.#words, CLOSED, REASONS.indexOf(reason) + 1)
    return this.#wake()
  }

  #wake(): boolean {
    // Read before it is written: almost always nobody waits, and a write would move the cache line.
    if (Atomics.load(this.#words, WAITING) === 0) return false
    const waiting = Atomics.exchange(this.#words, WAITING, 0)
    if ((waiting & BY_NOTIFY) !== 0) {
      Atomics.add(this.#words, TURN, 1)
      Atomics.notify(this.#words, TURN)
    }
    return (waiting & BY_MESSAGE) !== 0
  }
}

/** One stream's slot, as its worker sees it. */
export class Debtor {
  readonly #words: Int32Array<SharedArrayBuffer>
  #written = 0

  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#words = new Int32Array(memory, slot * WORDS * Int32Array.BYTES_PER_ELEMENT, WORDS)
  }

  begin(): void {
    Atomics.store(this.#words, BEGUN, 1)
  }

  get closed(): boolean {
    return Atomics.load(this.#words, CLOSED) !== 0
  }

  /** Why the stream was closed from outside; undefined while it is open. */
  get reason(): CloseReason | undefined {
    return REASONS[Atomics.load(this.#words, CLOSED) - 1]
  }

  /** Bytes written that the kernel has not taken. */
  get owed(): number {
    return (this.#written - Atomics.load(this.#words, DRAINED)) | 0
  }

  written(bytes: number): void {
    this.#written = (this.#written + bytes) | 0
  }

  /** Asks for a message at the next change. Look at the words once more after it. */
  askForMessage(): void {
    Atomics.or(this.#words, WAITING, BY_MESSAGE)
  }

  /**
   * Waits in place until `holds`, at most `timeoutMs`.
   *
   * @returns whether it holds
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
