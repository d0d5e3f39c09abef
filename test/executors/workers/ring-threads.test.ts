import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { allocateRing, MIN_RING_BYTES, RingReader } from '../../../src/executors/workers/ring.ts'
import { Reading, SoakReading, type Frame, type Soak } from '../../support/ring/frames.ts'
import type { Order } from './ring-writer.ts'
import { allocateTurns, READER, resetTurns, Turns } from '../../support/ring/interleaving.ts'
import { dice } from '../../support/random.ts'
import { otherThread } from '../../support/ring/worker.ts'

/** Of what is tried by the million or the thousand; fewer under mutation testing, where the code is slower by far. */
const MANY = process.env['MUTATION_TESTS'] === undefined ? 1_000 : 50

describe('two threads', () => {
  const writer = otherThread(new URL('./ring-writer.ts', import.meta.url))

  /** Reads as the server's thread does: sleeps until the bell, then drains turn by turn. */
  async function soak(
    soaked: Soak,
    size: number,
    budget: number,
  ): Promise<{ reading: SoakReading; bells: number }> {
    const ring = allocateRing(size, 2 ** 32 - 2 ** 20)
    const { port1: bell, port2 } = new MessageChannel()
    const reader = new RingReader(ring)
    const reading = new SoakReading(soaked)
    let bells = 0
    let planned = false
    let failed: unknown
    const turn = (): void => {
      planned = false
      try {
        if (reader.drain(budget, reading) && reader.sleep()) return
      } catch (error) {
        failed = error
        bell.close()
        return
      }
      planned = true
      setImmediate(turn)
    }
    bell.on('message', () => {
      bells++
      if (!planned) turn()
    })
    turn()
    writer().postMessage({ soak: soaked, ring, bell: port2 } satisfies Order, [port2])
    // The writer closes it when all is written, after its last ring.
    await once(bell, 'close')
    if (failed !== undefined) throw failed
    while (!reader.drain(Infinity, reading));
    return { reading, bells }
  }

  test('millions of events of several streams arrive whole, once and in order', async () => {
    const count = MANY * 2_000
    const { reading, bells } = await soak({ seed: 7, count, streams: 5, longest: 60 }, 1_048_576, 131_072)
    expect(reading).toMatchObject({ events: count, done: 5 })
    expect(bells).toBeLessThan(count)
  })

  test('a ring that is full again and again only makes the writer wait', async () => {
    const count = MANY * 300
    const { reading } = await soak({ seed: 8, count, streams: 3, longest: 900 }, MIN_RING_BYTES, 4_096)
    expect(reading).toMatchObject({ events: count, done: 3 })
  })

  test('events larger than the ring pass in pieces', async () => {
    const count = MANY * 5
    const { reading } = await soak({ seed: 9, count, streams: 3, longest: 8_000 }, MIN_RING_BYTES, 131_072)
    expect(reading).toMatchObject({ events: count, done: 3 })
  })

  test('under no interleaving of their atomic accesses a frame is lost, or a wake-up', () => {
    const turnsMemory = allocateTurns()
    const turns = new Turns(turnsMemory, READER)
    for (let seed = 1; seed <= Math.max(MANY * 4, 500); seed++) {
      const random = dice(Math.imul(seed, 0x9e3779b1))
      const lengths = [
        [8, 40],
        [100, 1_012],
        [1_000, 1_012],
        [1, 2_500],
      ][random(4)] as [number, number]
      const frames = Array.from({ length: 4 + random(16) }, (_, number): Frame => {
        if (random(8) === 0) return { stream: random(3), kind: FrameKind.START, text: `${number}`, events: 0 }
        const text = `${number}${'-'.repeat(lengths[0] + random(lengths[1] - lengths[0]))}`
        return { stream: random(3), kind: FrameKind.DATA, text, events: 1 }
      })
      const expected = new Reading()
      for (const each of frames) expected.expect(each)
      const ring = allocateRing(MIN_RING_BYTES, 2 ** 32 - random(1_024) * 4)
      resetTurns(turnsMemory, random(2 ** 28), [3, 15, 40, 70][random(4)] as number)
      writer().postMessage({ frames, ring, turns: turnsMemory } satisfies Order, [])
      const read = new Reading()
      const budgets = [1, 1_500, Infinity]
      try {
        turns.play(ring, () => {
          const reader = new RingReader(ring)
          for (;;) {
            const empty = reader.drain(budgets[random(3)] as number, read)
            if (read.frames > 0 && read.bytes === expected.bytes && read.events === expected.events) break
            if (!empty) continue
            // A reader that rests comes back by itself, unless the writer waits for it and must ring.
            if (random(2) === 0 && reader.rest()) reader.wake()
            else if (reader.sleep()) turns.awaitBell()
          }
        })
        expect(read.streams).toEqual(expected.streams)
        expect(read.events).toBe(expected.events)
      } catch (cause) {
        throw new Error(`in the interleaving of seed ${seed}`, { cause })
      }
    }
  })
})
