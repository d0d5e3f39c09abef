/** What producers and their tests share over threads. */
import type { EventStream, StreamClosedError } from '../../../src/index.ts'
import { Flag, raise, type Flags } from '../../../src/testing/flags.ts'

export interface Flagged {
  flags: Flags
}

/** Takes why a stream's signal has aborted, where the test is to see that. */
export interface Watched extends Flagged {
  reason: Uint8Array<SharedArrayBuffer>
}

export function makeReason(): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(16))
}

export function reasonIn(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString().replaceAll('\0', '')
}

/** Writes down why the signal aborts, once. */
export function watch(stream: EventStream, { flags, reason }: Flagged & Partial<Watched>): void {
  const { signal } = stream
  signal.addEventListener('abort', () => {
    reason?.set(Buffer.from((signal.reason as StreamClosedError).reason))
    raise(flags, Flag.SEEN)
  })
}

/** So many events of 64 KiB are more than two kernels take on their own. */
export const MANY = 240

export interface Counted {
  /** How many are sent. */
  events: number
  /** Of each, at least. */
  bytes?: number
}

/** Sends numbers. */
export function sendNumbers(stream: EventStream, { events, bytes = 0 }: Counted): void {
  for (let n = 0; n < events; n++) stream.send(bytes === 0 ? String(n) : `${n} ${'x'.repeat(bytes)}`)
}
