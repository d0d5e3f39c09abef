/**
 * What runs on each thread: piscina loads this module (by boot.cjs) once per thread and calls its default export once
 * per order. Streams of a thread run side by side as far as their producers await.
 */
import { MessageChannel, parentPort, workerData } from 'node:worker_threads'
import { markProducerThread, takeRefusal } from '../../runtime/producer-thread.ts'
import { portability, run, type PortableProducer } from '../../runtime/producer.ts'
import { Compressor } from '../../sse/compression.ts'
import { abortStream, EventStream, isSignalled } from '../../sse/stream.ts'
import { restore } from './cloning.ts'
import { allocateCredit, Debtor } from './credit.ts'
import { encodeError } from './error-transport.ts'
import { ringLog } from './log.ts'
import { findProducer, serverMade, type ProducerReference } from './portable.ts'
import type { Hello, ModuleOrder, Notice, StreamOrder, ThreadSettings } from './protocol.ts'
import { RingSink } from './ring-sink.ts'
import { allocateRing, FrameKind, RingWriter } from './ring.ts'

interface OpenStream {
  stream: EventStream
  sink: RingSink
  credit: Debtor
}

markProducerThread()

const { streams: mostStreams, ringBytes } = workerData as ThreadSettings
const credit = allocateCredit(mostStreams)
const memory = allocateRing(ringBytes)
const { port1: port, port2 } = new MessageChannel()
const ring = new RingWriter(memory, () => port.postMessage(null))
const streams = new Map<number, OpenStream>()

parentPort?.postMessage({ ring: memory, credit, port: port2 } satisfies Hello, [port2])

port.on('message', ({ stream: number }: Notice) => {
  const noticed = streams.get(number)
  if (noticed === undefined) return
  const { reason } = noticed.credit
  if (reason !== undefined) abortStream(noticed.stream, reason)
  noticed.sink.wake()
})
// Piscina's own port keeps the thread's loop alive.
port.unref()

/** What piscina calls for each order. Never rejects. */
export default async function carryOut(order: StreamOrder | ModuleOrder): Promise<Uint8Array | undefined> {
  if (!('module' in order)) return open(order)
  try {
    await load(order.module)
    return undefined
  } catch (error) {
    return encodeError(error)
  }
}

/** Modules that were loaded here, and whether they made a server. */
const modules = new Map<string, boolean>()

async function load(reference: ProducerReference): Promise<PortableProducer<never>> {
  const { module } = reference
  const producer = await findProducer(reference)
  if (!modules.has(module)) {
    // A module that does not wait for its server is refused by the next turn.
    await new Promise((resolve) => setImmediate(resolve))
    modules.set(module, modules.get(module) === true || takeRefusal())
  }
  if (modules.get(module) === true) throw serverMade(module)
  return producer
}

/** Runs one stream's producer to its end: how it went is told in the ring, after its events. */
async function open(order: StreamOrder): Promise<undefined> {
  const number = order.stream
  const debtor = new Debtor(credit, order.slot)
  debtor.begin()
  const { coded } = order
  const compressor = coded === undefined ? undefined : new Compressor(coded.coding)
  const sink = new RingSink(ring, number, debtor, order, compressor)
  if (coded !== undefined && coded.firstWords !== '') sink.write(coded.firstWords, 0)
  let stream: EventStream | undefined
  /** A producer that saw the words before the message came has ended first; what it left behind has to hear of it. */
  const tellReason = (): void => {
    const { reason } = debtor
    if (stream !== undefined && reason !== undefined) abortStream(stream, reason)
  }
  try {
    const producer = await load(order.producer)
    restore(order.stripped)
    stream = new EventStream(sink, {
      context: Object.freeze(order.context),
      log: ringLog(ring, number, order.logLevel),
      lastEventId: order.lastEventId,
      serializer: portability(producer)?.serializer,
    })
    streams.set(number, { stream, sink, credit: debtor })
    if (!stream.closed) {
      // Not before its module is there: until then nothing of it can be told to stop.
      ring.write(number, FrameKind.START)
      const done = run(producer, stream, order.input)
      if (done === undefined && !stream.closed && !isSignalled(stream)) {
        ring.write(number, FrameKind.LEFT_OPEN)
      }
      await (done ?? sink.untilClosed())
    }
    tellReason()
    ring.write(number, FrameKind.DONE)
  } catch (error) {
    tellReason()
    ring.write(number, FrameKind.ERROR, encodeError(error))
  } finally {
    streams.delete(number)
    // The slot may have its next stream by now.
    sink.finish()
  }
}
