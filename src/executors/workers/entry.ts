/**
 * The code on each thread. Piscina loads this module (by boot.cjs) once per thread, and calls its default export once
 * per order. The streams of a thread run concurrently while their producers await.
 */
import { MessageChannel, parentPort, workerData } from 'node:worker_threads'
import { markProducerThread } from '../../runtime/producer-thread.ts'
import { Compressor } from '../../sse/compression.ts'
import type { EventStream } from '../../sse/stream.ts'
import { allocateCredit, Debtor } from './credit.ts'
import { encodeError } from '../elsewhere/error-transport.ts'
import { loadProducer } from '../elsewhere/load-producer.ts'
import { close, produce } from '../elsewhere/produce.ts'
import type { Hello, ModuleOrder, Notice, StreamOrder, ThreadSettings } from './protocol.ts'
import { RingSink } from './ring-sink.ts'
import { allocateRing, RingWriter } from './ring.ts'

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
  close(noticed.stream, noticed.credit.reason)
  noticed.sink.wake()
})
// Piscina's own port keeps the thread's loop alive.
port.unref()

/** Carries out one order of the pool. Piscina calls it. Never rejects. */
export default async function carryOut(order: StreamOrder | ModuleOrder): Promise<Uint8Array | undefined> {
  if (!('module' in order)) return open(order)
  try {
    await loadProducer(order.module)
    return undefined
  } catch (error) {
    return encodeError(error)
  }
}

/** Runs one stream. */
async function open(order: StreamOrder): Promise<undefined> {
  const number = order.stream
  const debtor = new Debtor(credit, order.cell)
  debtor.begin()
  const { coded } = order
  const compressor = coded === undefined ? undefined : new Compressor(coded.coding)
  const sink = new RingSink(ring, number, debtor, order, compressor)
  if (coded !== undefined && coded.firstWords !== '') sink.write(coded.firstWords, 0)
  await produce(order, {
    sink,
    load: loadProducer,
    get reason() {
      return debtor.reason
    },
    send: (kind, payload) => ring.write(number, kind, payload),
    opened: (stream) => void streams.set(number, { stream, sink, credit: debtor }),
  })
  streams.delete(number)
  // The cell may belong to another stream now.
  sink.finish()
}
