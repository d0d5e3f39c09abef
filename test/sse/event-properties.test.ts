import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeComment, encodeEvent, soleLine } from '../../src/sse/event.ts'
import { attempt, wellFormed, decode, lineFeeds } from './event-decoding.ts'

describe('for all events', () => {
  /** What is dangerous in this format, between anything else. */
  const piece = fc.oneof(
    fc.constantFrom('\r', '\n', '\r\n', '\n\n', '\0', ':', ' ', '\ufeff', '\ud800', '\udc00'),
    fc.constantFrom('data: x', 'event: x', 'id: x', 'retry: 1', ': x', 'é', '😀'),
    fc.string({ unit: 'binary', maxLength: 5 }),
    fc.nat(0xffff).map((code) => String.fromCharCode(code)),
  )
  const anyText = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))
  const oneLine = anyText.map((text) => text.replaceAll(/[\r\n]/g, ''))
  const absent = fc.constant(undefined)
  const cuts = fc.array(fc.nat(), { maxLength: 6 })
  const event = fc.record({
    data: fc.oneof(absent, anyText, fc.jsonValue()),
    event: fc.oneof(absent, oneLine),
    id: fc.oneof(
      absent,
      oneLine.map((text) => text.replaceAll('\0', '')),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    ),
    retry: fc.oneof(absent, fc.maxSafeNat()),
  })

  const nonEmpty = event.filter((fields) => Object.values(fields).some((value) => value !== undefined))

  test('whatever has a sole line is that line in a frame', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, nonEmpty), (one) => {
        const line = soleLine(one)
        const framed = line === undefined ? undefined : `data: ${line}\n\n`
        expect([undefined, encodeEvent(one)]).toContain(framed)
      }),
    )
  })

  test('what is sent is what a client gets, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(nonEmpty, { maxLength: 4 }), cuts, (events, at) => {
        const {
          events: received,
          retries,
          comments,
          errors,
        } = decode(events.map((one) => encodeEvent(one)).join(''), at)
        expect(received).toEqual(
          events
            .filter(({ data }) => data !== undefined)
            .map(({ data, event: name, id }) => ({
              data: lineFeeds(wellFormed(typeof data === 'string' ? data : JSON.stringify(data))),
              event: name === undefined || name === '' ? undefined : wellFormed(name),
              id: id === undefined ? undefined : wellFormed(String(id)),
            })),
        )
        expect(retries).toEqual(events.map(({ retry }) => retry).filter((retry) => retry !== undefined))
        expect([...comments, ...errors]).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  test('no string in any field forges a second event or another field', () => {
    const fields = fc.record({ data: anyText, event: anyText, id: anyText }, { requiredKeys: ['data'] })
    fc.assert(
      fc.property(fields, cuts, (forged, at) => {
        const text = attempt(forged)
        if (typeof text !== 'string') return text.code === 'HF_ERR_EVENT_FIELD'
        const { events, retries, comments, errors } = decode(text, at)
        expect(events).toHaveLength(1)
        expect(events[0]?.event ?? '').toBe(wellFormed(forged.event ?? ''))
        expect(events[0]?.id).toBe(forged.id === undefined ? undefined : wellFormed(forged.id))
        expect([...retries, ...comments, ...errors]).toEqual([])
        return true
      }),
      { numRuns: 1_000 },
    )
  })

  test('no comment forges an event or a field', () => {
    fc.assert(
      fc.property(anyText, cuts, (text, at) => {
        const { events, retries, comments, errors } = decode(encodeComment(text), at)
        expect(comments.join('\n')).toBe(wellFormed(lineFeeds(text)))
        expect([...events, ...retries, ...errors]).toEqual([])
      }),
    )
  })
})
