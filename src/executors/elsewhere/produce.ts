import { portability, run, type PortableProducer } from '../../runtime/producer.ts'
import type { Sink } from '../../sse/sink.ts'
import { abortStream, EventStream, isSignalled, type CloseReason } from '../../sse/stream.ts'
import { restore } from './cloning.ts'
import { encodeError } from './error-transport.ts'
import { FrameKind } from './frames.ts'
import { farLog } from './log.ts'
import type { Order } from './order.ts'
import type { ProducerReference } from './portable.ts'

/** The side of a stream that its producer is on. */
export interface FarSide {
  /** Where its events go. */
  readonly sink: Sink & {
    /** Resolves when the stream is closed, by its producer or from outside. */
    untilClosed(): Promise<void>
  }
  /** Why the stream was closed from outside; undefined while it is open. */
  readonly reason: CloseReason | undefined
  /** Sends a frame that has no events, after all that was written to the sink. */
  send(kind: FrameKind, payload?: Uint8Array): void
  /** Imports the producer's module. */
  load(producer: ProducerReference): Promise<PortableProducer<never>>
  /** The stream is there, and its producer is about to start: what closes it from outside goes to {@link close}. */
  opened(stream: EventStream): void
}

/** Runs one stream's producer to its end: how it went is told in frames, after its events. Never rejects. */
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
      // Not before its module is there: until then nothing of it can be told to stop.
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
 * Tells a stream that it was closed from outside. A producer that has seen it before it was told has ended first: what
 * it left behind has to hear of it as well.
 */
export function close(stream: EventStream, reason: CloseReason | undefined): void {
  if (reason !== undefined) abortStream(stream, reason)
}
