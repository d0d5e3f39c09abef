/**
 * One stream over a link: whatever carries messages both ways, in order, such as the channel of a child process. The
 * near end is on the server's thread; the producer runs at the far end. Messages are plain objects with numbers,
 * strings and bytes; of an order, the `input` and `context` are what the route gave.
 */
import type { CloseReason } from '../../sse/stream.ts'
import type { FrameKind } from './frames.ts'
import type { Order } from './order.ts'

/** From the near end: first the order, then any number of the others. */
export type ToFarEnd =
  | { readonly order: Order }
  /** Bytes of events, since the beginning, that the client's kernel has. */
  | { readonly drained: number }
  /** The stream was closed from outside. */
  | { readonly closed: CloseReason }

/** From the far end. */
export interface Frame {
  readonly kind: FrameKind
  /** UTF-8. */
  readonly payload?: Uint8Array
  /** How many events are in the payload. */
  readonly events?: number
}
