import { array, assert, constantFrom, oneof, property, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { acceptsEventStream, isMediaType, prefersEventStream } from '../../src/sse/negotiation.ts'
import { varyOn } from '../../src/sse/vary.ts'

/** An Accept header, whether it allows an event stream, and whether it prefers one to JSON. */
const SHAPES: [accept: string | undefined, allowed: boolean, preferred: boolean][] = [
  [undefined, true, false],
  ['', true, false],
  [' , ,', true, false],
  ['text/event-stream', true, true],
  ['Text/Event-STREAM', true, true],
  ['*/*', true, false],
  ['text/*', true, true],
  ['text/event-stream;charset=utf-8', true, true],
  ['text/event-stream; charset="UTF-8"', true, true],
  ['text/event-stream;q=0.1', true, true],
  ['text/event-stream;q=0', false, false],
  ['text/event-stream;q=0.000', false, false],
  ['text/event-stream;q=0, */*', false, false],
  ['text/*;q=0, */*', false, false],
  ['text/event-stream, */*;q=0', true, true],
  ['application/json', false, false],
  ['application/*', false, false],
  ['text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8', true, false],
  ['application/json, text/event-stream', true, false],
  ['text/event-stream, application/json', true, true],
  ['text/event-stream, text/html, application/json', true, true],
  ['application/json;q=0.5, text/event-stream', true, true],
  ['application/json;charset=utf-8;q=0.5, text/event-stream;q=0.4', true, false],
  ['application/json, text/event-stream;q=0.9', true, false],
  ['application/json;q=0.9, text/event-stream;q=0.901', true, true],
  ['*/*, text/event-stream', true, true],
  ['*/*, application/json', true, false],
  ['text/*, application/json', true, false],
  ['text/event-stream;q=0.5, */*', true, false],
  // A range of no type that exists, and what is no range at all.
  ['text/event-stream;level=1', false, false],
  ['text/event-streams', false, false],
  ['text', false, false],
  ['*', false, false],
  ['/', false, false],
  ['text/event-stream;q=high', false, false],
  ['text/event-stream;q=-1', false, false],
  ['text/event-stream;q=', true, true],
  [';q=1, text/event-stream', true, true],
  ['text/event-stream;;;', true, true],
  ['a"b/c, text/event-stream', true, true],
  ['x/y;p="a, text/event-stream', false, false],
  ['x/y;p="a, text/event-stream"', false, false],
]

test.each(SHAPES)('Accept: %s', (accept, allowed, preferred) => {
  expect({
    allowed: acceptsEventStream(accept),
    preferred: prefersEventStream(accept, ['application/json']),
  }).toEqual({ allowed, preferred })
})

describe('prefersEventStream', () => {
  test('compares with the best of several types', () => {
    const over = ['application/json', 'text/html']
    expect(prefersEventStream('text/event-stream;q=0.5, application/json;q=0.4', over)).toBe(true)
    expect(prefersEventStream('text/event-stream;q=0.5, text/html;q=0.6', over)).toBe(false)
    expect(prefersEventStream('text/*', over)).toBe(false)
  })

  test('takes a type with a parameter as it is', () => {
    const over = ['application/json;profile="a"']
    expect(prefersEventStream('application/json;profile="a", text/event-stream;q=0.5', over)).toBe(false)
    expect(prefersEventStream('application/json;profile="b", text/event-stream;q=0.5', over)).toBe(true)
    expect(prefersEventStream('application/json;charset=utf-8, text/event-stream;q=0.5', over)).toBe(true)
  })

  test.each([undefined, '', ',', ' , '])('is false where the header says nothing: %j', (accept) => {
    expect(prefersEventStream(accept, ['application/json'])).toBe(false)
    expect(prefersEventStream(accept, [])).toBe(false)
  })

  test('is false where neither is allowed', () => {
    expect(prefersEventStream('image/png', ['application/json'])).toBe(false)
  })
})

const holds = (accept: string): boolean =>
  acceptsEventStream(accept) || !prefersEventStream(accept, ['application/json'])

test('no header makes negotiation throw, and what is preferred is allowed', () => {
  const pieces = 'text|/|*|event-stream|application/json|;|q|=|0.5|0|,| |\t|"|\\'.split('|')
  const header = oneof(
    array(constantFrom(...pieces), { maxLength: 24 }).map((parts) => parts.join('')),
    string({ unit: 'binary' }),
  )
  expect(() => assert(property(header, holds))).not.toThrow()
})

test.each<[unknown, boolean]>([
  ['application/json', true],
  ['text/html; charset=utf-8', true],
  ['application/vnd.api+json', true],
  ['json', false],
  ['', false],
  ['*/*', false],
  ['text/*', false],
  ['application/json, text/html', false],
  [' application/json', false],
  ['text/html/x;charset=utf-8', false],
  [['application/json'], false],
  [undefined, false],
])('%j is a media type: %s', (type, is) => {
  expect(isMediaType(type)).toBe(is)
})

test.each<[current: string | number | string[] | undefined, expected: string]>([
  [undefined, 'Accept'],
  ['', 'Accept'],
  [[], 'Accept'],
  ['Origin', 'Origin, Accept'],
  [['Origin', 'Accept-Encoding'], 'Origin, Accept-Encoding, Accept'],
  ['Accept-Encoding', 'Accept-Encoding, Accept'],
  ['Accept', 'Accept'],
  ['origin , ACCEPT', 'origin , ACCEPT'],
  ['*', '*'],
  ['Origin, *', 'Origin, *'],
  [',', 'Accept'],
  ['Origin,', 'Origin,, Accept'],
])('Vary: %j varies on Accept as %j', (current, expected) => {
  expect(varyOn(current, 'Accept')).toBe(expected)
})
