import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EventRing } from '../../src/sse/event-ring.ts'

interface Pushed {
  event: { data: number; bytes: number }
  bytes: number
  position: number
}

test('whatever is pushed, the last events are there under their positions, as many as fit', () => {
  const bounds = fc.record({
    maxEvents: fc.integer({ min: 1, max: 8 }),
    maxBytes: fc.integer({ min: 1, max: 40 }),
  })
  fc.assert(
    fc.property(bounds, fc.array(fc.nat(40), { maxLength: 60 }), ({ maxEvents, maxBytes }, sizes) => {
      const ring = new EventRing<Pushed['event']>(maxEvents, maxBytes)
      let kept: Pushed[] = []
      const sum = (): number => kept.reduce((total, { bytes }) => total + bytes, 0)
      let position = 1
      for (const size of sizes) {
        const bytes = Math.min(size, maxBytes)
        expect(ring.next).toBe(position)
        const event = { data: position, bytes }
        ring.push(event)
        kept.push({ event, bytes, position: position++ })
        while (kept.length > maxEvents || sum() > maxBytes) kept = kept.slice(1)
        expect(ring).toMatchObject({ oldest: kept[0]?.position, next: position, bytes: sum() })
        for (const each of kept) expect(ring.at(each.position)).toBe(each.event)
      }
    }),
  )
})

test('an event that is dropped is held no longer', () => {
  const ring = new EventRing(2, 1_000)
  ring.push({ bytes: 900 })
  ring.push({ bytes: 900 })
  expect(ring).toMatchObject({ oldest: 2, next: 3, bytes: 900 })
  // Its place is empty, where the event would else be answered.
  expect(ring.at(1)).toBeUndefined()
})

/** Five events have been pushed, of which two are there. */
function filled(): EventRing<{ bytes: number }> {
  const ring = new EventRing(2, 1_000)
  for (let n = 0; n < 5; n++) ring.push({ bytes: 1 })
  return ring
}

describe('an id', () => {
  test('leads to its position, also that of an event that is gone, and of the place before the first', () => {
    const ring = filled()
    for (let position = 0; position < ring.next; position++) {
      expect(ring.position(ring.id(position))).toBe(position)
    }
  })

  test('of an event that is still to come is unknown', () => {
    const ring = filled()
    expect(ring.position(ring.id(ring.next))).toBe(undefined)
    expect(ring.position(ring.id(-1))).toBe(undefined)
  })

  test('of another ring, or of another spelling, is unknown', () => {
    const ring = filled()
    expect(filled().position(ring.id(1))).toBe(undefined)
    const epoch = ring.id(1).slice(0, -2)
    for (const spelling of [
      '01',
      '1.0',
      '1e0',
      ' 1',
      '+1',
      '0x1',
      '',
      'NaN',
      'Infinity',
      '1.5',
      '.1',
      '1 ',
    ]) {
      expect(ring.position(`${epoch}.${spelling}`)).toBe(undefined)
    }
    for (const id of ['', '1', '.1', epoch, `${epoch}1`, `${epoch}.1.1`, `x${epoch}.1`]) {
      expect(ring.position(id)).toBe(undefined)
    }
  })

  test('has 9 random bytes before its position, others in each ring, in characters that a header takes', () => {
    expect(new EventRing(1, 1).id(12)).toMatch(/^[\w-]{12}\.12$/)
    const epochs = Array.from({ length: 100 }, () => new EventRing(1, 1).id(0))
    expect(new Set(epochs).size).toBe(100)
  })
})
