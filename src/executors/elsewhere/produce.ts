import { portability, run, type PortableProducer } from '../../runtime/producer.ts'
import type { Sink } from '../../sse/sink.ts'
import { abortStream, EventStream, isSignalled, type CloseReason } from '../../sse/stream.ts'
import { restore } from './cloning.ts'
import { encodeError } from './error-transport.ts'
import { FrameKind } from './frames.ts'
import { farLog } from './log.ts'
import type { Order } from './order.ts'
import type { ProducerReference } from './portable.ts'

/** The connection of one producer to the server's thread. */
export interface FarSide {
  /** Takes the producer's events. */
  readonly sink: Sink & {
    /** Resolves when the stream is closed, by its producer or from outside. */
    untilClosed(): Promise<void>
  }
  /** Why the stream was closed from outside; undefined while it is open. */
  readonly reason: CloseReason | undefined
  /** Sends a frame without events, after everything that was written to the sink. */
  send(kind: FrameKind, payload?: Uint8Array): void
  /** Imports the producer's module. */
  load(producer: ProducerReference): Promise<PortableProducer<never>>
  /** Called before the producer starts. From now on, pass a close from outside to {@link close}. */
  opened(stream: EventStream): void
}

/**
 * Runs one stream's producer to its end. Its last frame, after its events, is DONE or ERROR. Rejects only with what
 * `far.send()` throws for this frame.
 */
export async function produce(order: Order, far: FarSide): Promise<void> {
  let stream: EventStream | undefined
  try {
    const producer = await far.load(order.producer)
    restore(order.stripped)
    stream = new EventStream(far.sink, {
      context: Object.freeze(order.context),
      log: farLog((line) => far.send(FrameKind.LOG, line), order.logLevel),
      lastEventId: order.lastEventId,
      serializer: portability(producer)?.serializer,
    })
    far.opened(stream)
    if (!stream.closed) {
      // Sent after the module has loaded: only from here on can the producer react when its stream is closed.
      far.send(FrameKind.START)
      const done = run(producer, stream, order.input)
      if (done === undefined && !stream.closed && !isSignalled(stream)) far.send(FrameKind.LEFT_OPEN)
      await (done ?? far.sink.untilClosed())
    }
    close(stream, far.reason)
    far.send(FrameKind.DONE)
  } catch (error) {
    if (stream !== undefined) close(stream, far.reason)
    far.send(FrameKind.ERROR, encodeError(error))
  }
}

/**
 * Closes a stream from outside, if there is a reason. If the producer has read `stream.closed` and returned before
 * that, this aborts `stream.signal` for what it has left running.
 */
export function close(stream: EventStream, reason: CloseReason | undefined): void {
  if (reason !== undefined) abortStream(stream, reason)
}
