/** Producers that number their events, and tell in shared memory how far they are. */
import { setImmediate as turn, setTimeout as later } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'

export interface Numbered {
  /** Events whose `send()` has returned, by stream. */
  sent: Int32Array<SharedArrayBuffer>
  /** Its stream's place in `sent`. */
  place: number
  /** Its first word is 1 when all are to end. */
  stop: Int32Array<SharedArrayBuffer>
}

/** Sizes of events in bytes, taken in turns: from many in one frame of the ring to several frames for one. */
const SIZES = [0, 10, 300, 0, 4_000, 50, 0, 0, 5_000, 1]

/** Sends its thread, then numbers, one or several in a turn of the loop, until it is to stop. Then its last number. */
export const numbers: PortableProducer<Numbered> = producer(
  import.meta.url,
  async (stream: EventStream, { sent, place, stop }: Numbered) => {
    stream.send({ event: 'thread', data: String(threadId) })
    let n = 0
    while (Atomics.load(stop, 0) === 0 && !stream.closed) {
      for (let burst = (n + place) % 4; burst >= 0; burst--) {
        stream.send({ id: n, data: 'x'.repeat(SIZES[(n + place) % SIZES.length] as number) })
        Atomics.store(sent, place, ++n)
      }
      if (!(await stream.ready())) return
      if (place % 3 === 0) await turn()
      await later(5 + ((n * 7 + place) % 150))
    }
    stream.send({ event: 'last', data: String(n) })
  },
  { name: 'numbers' },
)

/** More than one frame of the ring holds. */
const PAGE_BYTES = 400_000

/** Sends one large event again and again, so that a death may fall into the middle of one. */
export const pages: PortableProducer<Numbered> = producer(
  import.meta.url,
  async (stream: EventStream, { sent, place, stop }: Numbered) => {
    stream.send({ event: 'thread', data: String(threadId) })
    let n = 0
    while (Atomics.load(stop, 0) === 0 && !stream.closed) {
      stream.send({ id: n, data: 'x'.repeat(PAGE_BYTES) })
      Atomics.store(sent, place, ++n)
      if (!(await stream.ready())) return
      await later(100)
    }
    stream.send({ event: 'last', data: String(n) })
  },
  { name: 'pages' },
)
