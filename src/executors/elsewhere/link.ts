/**
 * One stream over a link. A link carries messages both ways, in order, none of them twice, such as the channel of a
 * child process. The near end is on the server's thread. The producer runs at the far end. Messages are plain objects
 * with numbers, strings and bytes; only `input` and `context` of an order hold whatever values the route gives.
 */
import type { CloseReason } from '../../sse/stream.ts'
import type { FrameKind } from './frames.ts'
import type { Order } from './order.ts'

/** A message of the near end: first the order, then any number of the others. */
export type ToFarEnd =
  | { readonly order: Order }
  /** Bytes of events, since the start of the stream, that the kernel has taken. */
  | { readonly drained: number }
  /** The stream was closed from outside. */
  | { readonly closed: CloseReason }

/** A message of the far end. */
export interface Frame {
  readonly kind: FrameKind
  /** Bytes; of events, UTF-8 text. Default: empty. */
  readonly payload?: Uint8Array
  /** Number of events in the payload. Default: 0. */
  readonly events?: number
}
