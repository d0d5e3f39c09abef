import type { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { workers, type CloseInfo, type PortableProducer } from '../../src/index.ts'
import { openStream, type OpenedStream } from '../../src/testing/index.ts'
import { Testbed } from '../support/testbed.ts'
import { numbers, pages, type Numbered } from './killed-threads-producers.ts'
import { untilPatiently as until } from '../support/waiting.ts'
import { LONG, SEED, dice, shuffled, chance } from '../support/random.ts'

/** One client, which looks at each event as it comes. */
interface Follower {
  place: number
  /** The thread that its producer runs on, once the client knows. */
  thread: string | undefined
  /** Numbers that have come, without a hole. */
  received: number
  /** What its producer says that it has sent; undefined where it has not come to its end. */
  last: number | undefined
  over: Promise<{ complete: boolean }>
}

class Audience {
  readonly #testbed: Testbed
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly all: Follower[] = []
  /** How often each place was closed, and how. */
  readonly closed: CloseInfo[][] = []
  readonly stop = new Int32Array(new SharedArrayBuffer(4))

  private constructor(testbed: Testbed, places: number) {
    this.#testbed = testbed
    this.#words = new Int32Array(new SharedArrayBuffer(places * 4))
  }

  /** @param places how many streams there will be in all */
  static make(testbed: Testbed, places: number, producer: PortableProducer<Numbered>): Audience {
    const audience = new Audience(testbed, places)
    const { closed, stop } = audience
    for (const executor of ['pool', 'inline']) {
      const onClose = (info: CloseInfo, { query }: { query: unknown }): void => {
        closed[Number((query as { place: string }).place)]?.push(info)
      }
      testbed.app.get(`/${executor}`, { sse: { executor, onClose } }, async ({ query }, reply) => {
        const place = Number((query as { place: string }).place)
        // The one that outlives all sends little: its client keeps what came.
        return reply.sse(executor === 'inline' ? numbers : producer, { sent: audience.#words, place, stop })
      })
    }
    return audience
  }

  async open(executor = 'pool'): Promise<Follower> {
    const place = this.all.length
    const follower: Follower = {
      place,
      thread: undefined,
      received: 0,
      last: undefined,
      over: Promise.resolve({ complete: false }),
    }
    this.all.push(follower)
    this.closed[place] = []
    const stream = await openStream(this.#testbed.app, { path: `/${executor}?place=${place}` })
    if (stream.status !== 200) throw new Error(`refused: ${await stream.text()}`)
    follower.over = this.#follow(stream, follower)
    return follower
  }

  async #follow(stream: OpenedStream, follower: Follower): Promise<{ complete: boolean }> {
    for await (const { event, id, data } of stream.events) {
      if (event === 'thread') follower.thread = data
      else if (event === 'last') follower.last = Number(data)
      else if (Number(id) !== follower.received++) throw new Error(`a hole before ${id}`)
    }
    return stream.closed
  }

  /** Events of this follower's stream whose `send()` had returned. */
  sent({ place }: Follower): number {
    return Atomics.load(this.#words, place)
  }

  get received(): number {
    return this.all.reduce((sum, { received }) => sum + received, 0)
  }
}

/** The threads of this process that live, by their id, which no other ever gets. */
function watchThreads(): Map<string, Worker> {
  const alive = new Map<string, Worker>()
  const onWorker = (worker: Worker): void => {
    const id = String(worker.threadId)
    alive.set(id, worker)
    worker.once('exit', () => alive.delete(id))
  }
  process.on('worker', onWorker)
  onTestFinished(() => void process.removeListener('worker', onWorker))
  return alive
}

interface Massacre {
  producer: PortableProducer<Numbered>
  threads: number
  streams: number
  kills: number
  /** So many events come between two kills, at most. */
  pause: number
}

test.each<[string, Massacre]>([
  [
    'under 200 streams',
    { producer: numbers, threads: LONG ? 4 : 3, streams: 200, kills: LONG ? 100 : 4, pause: 500 },
  ],
  [
    'in the middle of large events',
    { producer: pages, threads: 3, streams: 9, kills: LONG ? 100 : 4, pause: 10 },
  ],
])(
  `threads killed at random %s: nobody misses anything that was sent (seed ${SEED})`,
  { timeout: LONG ? 900_000 : 60_000 },
  async (_, { producer, threads, streams, kills, pause }) => {
    const random = dice(SEED)
    const alive = watchThreads()
    const testbed = await Testbed.everywhere({
      // So that one thread may be gone, and yet all have a place.
      executors: {
        pool: workers({ threads, streamsPerThread: Math.ceil(streams / (threads - 1)), niceIncrement: 0 }),
      },
    })
    const audience = Audience.make(testbed, streams * (kills + 1) + 2, producer)
    const killed = new Set<string>()
    const beside = await audience.open('inline')
    let current = await Promise.all(Array.from({ length: streams }, async () => audience.open()))

    for (let kill = 0; kill < kills; kill++) {
      await until(() => current.every(({ thread }) => thread !== undefined), 'all streams to run')
      await until(() => alive.size === threads, 'all threads')
      const enough = audience.received + random(pause)
      await until(() => audience.received >= enough, 'some events')
      // One, or two at a time; any that lives, whether or not it is ready. One that serves is spared, since a pool
      // that has none, and whose next one dies while it starts, refuses new streams for a while.
      const [spared] = shuffled(random, current) as [Follower]
      const choice = shuffled(
        random,
        [...alive].filter(([id]) => id !== spared.thread),
      )
      const victims = choice.slice(0, chance(random, 5) ? 2 : 1)
      for (const [id, worker] of victims) {
        killed.add(id)
        // It may take its time to go, and is not to be chosen again.
        alive.delete(id)
        void worker.terminate()
      }
      const [lost, left] = [true, false].map((dead) =>
        current.filter(({ thread }) => killed.has(thread as string) === dead),
      ) as [Follower[], Follower[]]
      for (const follower of lost) {
        // Nobody who reads is cut in the middle of an event.
        expect(await follower.over).toEqual({ complete: true })
      }
      const again = await Promise.all(lost.map(async () => audience.open()))
      current = [...left, ...again]
    }

    await until(() => current.every(({ thread }) => thread !== undefined), 'all streams to run')
    Atomics.store(audience.stop, 0, 1)
    for (const { over } of [beside, ...current]) expect(await over).toEqual({ complete: true })
    await testbed.idle()

    for (const follower of audience.all) {
      const { place, thread, received, last } = follower
      const reasons = (audience.closed[place] as CloseInfo[]).map(({ reason }) => reason)
      const dead = thread !== undefined && killed.has(thread)
      const expected = dead ? { reasons: ['lost'], last: undefined } : { reasons: ['ended'], last: received }
      expect({ reasons, last }).toEqual(expected)
      // What was sent has come; of a lost one perhaps one more, which its producer could not write down any more.
      expect(received - audience.sent(follower)).toBeOneOf(dead ? [0, 1] : [0])
    }
    expect(beside.received).toBeGreaterThan(0)
    expect(killed.size).toBeGreaterThanOrEqual(kills)

    const lost = audience.all.filter(({ thread }) => killed.has(thread as string)).length
    const { executors, routes } = testbed.app.sse.stats()
    const opened = audience.all.length - 1
    expect(executors['pool']).toMatchObject({ running: 0, waiting: 0, admitted: opened, refused: 0, lost })
    expect(routes['GET /pool']).toMatchObject({ open: 0, opened, closed: { lost, ended: opened - lost } })
    expect(routes['GET /inline']).toMatchObject({ open: 0, opened: 1, closed: { ended: 1 } })
    expect(lost).toBeGreaterThan(0)

    // As many threads as before, and they serve.
    await until(() => testbed.app.sse.stats().executors['pool']?.threads === threads, 'all threads')
    const late = await audience.open()
    expect(await late.over).toEqual({ complete: true })
    expect(late).toMatchObject({ received: 0, last: 0 })
  },
)
