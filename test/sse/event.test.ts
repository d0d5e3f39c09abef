import { describe, expect, test } from 'vitest'
import {
  encodeComment,
  encodeEvent,
  encodeRetry,
  HEARTBEAT,
  soleLine,
  type EventFields,
  type EventInput,
  type Serializer,
} from '../../src/sse/event.ts'
import { type Decoded, decode, lineFeeds } from './event-decoding.ts'

/** All code points but the surrogates, which are none by themselves. */
function* everyCharacter(): Generator<string> {
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code < 0xd800 || code > 0xdfff) yield String.fromCodePoint(code)
  }
}

const decodeEvent = (event: EventInput): Decoded => decode(encodeEvent(event))

const own: Serializer = (value) => JSON.stringify(value)

describe('an event is text in the format of the standard', () => {
  test.each<[string, EventInput, string]>([
    ['a string is its data', 'hello', 'data: hello\n\n'],
    ['an empty string is data', '', 'data: \n\n'],
    ['empty data is a value', { data: '' }, 'data: \n\n'],
    ['0 is a value', { data: 0 }, 'data: 0\n\n'],
    ['null is a value', { data: null }, 'data: null\n\n'],
    ['false is a value', { data: false }, 'data: false\n\n'],
    ['an object is JSON', { data: { a: [1, 'é'] } }, 'data: {"a":[1,"é"]}\n\n'],
    ['JSON escapes line ends', { data: ['a\nb\rc'] }, 'data: ["a\\nb\\rc"]\n\n'],
    ['a leading space is kept', ' x', 'data:  x\n\n'],
    [
      'event, id and retry come before data',
      { data: 'd', retry: 5, id: 'i', event: 'e' },
      'event: e\nid: i\nretry: 5\ndata: d\n\n',
    ],
    ['id 0 is a value', { id: 0, data: '' }, 'id: 0\ndata: \n\n'],
    ['retry 0 is a value', { retry: 0 }, 'retry: 0\n'],
    ['an empty id resets it', { id: '' }, 'id: \n\n'],
    ['an empty name stands', { event: '', data: 'd' }, 'event: \ndata: d\n\n'],
    [
      'a field that is undefined is absent',
      { data: 'd', event: undefined, id: undefined, retry: undefined },
      'data: d\n\n',
    ],
    ['undefined data is absent', { event: 'e', data: undefined }, 'event: e\n\n'],
    ['lines end with LF', 'a\nb', 'data: a\ndata: b\n\n'],
    ['lines end with CR', 'a\rb', 'data: a\ndata: b\n\n'],
    ['lines end with CRLF', 'a\r\nb', 'data: a\ndata: b\n\n'],
    ['LF CR is two line ends', 'a\n\rb', 'data: a\ndata: \ndata: b\n\n'],
    ['line ends at both ends are kept', '\na\n', 'data: \ndata: a\ndata: \n\n'],
    ['U+2028 and U+0085 end no line', 'a\u2028b\u0085c', 'data: a\u2028b\u0085c\n\n'],
  ])('%s', (_, event, text) => {
    expect(encodeEvent(event)).toBe(text)
  })

  test('every character of Unicode arrives in data', () => {
    const data = [...everyCharacter()].join('')
    expect(decodeEvent(data).events).toEqual([{ data: lineFeeds(data), event: undefined, id: undefined }])
  })

  test('every character of Unicode but line ends and NUL arrives in event and id', () => {
    const text = [...everyCharacter()]
      .join('')
      .replaceAll(/[\r\n]/g, '')
      .replaceAll('\0', '')
    expect(decodeEvent({ event: text, id: text, data: '' })).toEqual({
      events: [{ data: '', event: text, id: text }],
      comments: [],
      retries: [],
      errors: [],
    })
  })

  test('a NUL in data and event is a character like any other', () => {
    expect(decodeEvent({ event: 'e\0', data: 'a\0b' }).events).toEqual([
      { data: 'a\0b', event: 'e\0', id: undefined },
    ])
  })

  test('a lone surrogate becomes U+FFFD, in every field', () => {
    expect(decodeEvent({ event: 'e\ud83d', id: '\ude00i', data: 'a\ud83d\n\ude00' }).events).toEqual([
      { event: 'e\ufffd', id: '\ufffdi', data: 'a\ufffd\n\ufffd' },
    ])
  })

  test.each(['\ufeffdata: x', '\ufeff'])('a byte-order mark at the start of data is kept (%j)', (data) => {
    // A client drops one at the start of the stream (9.2.5): none of ours stands there.
    expect(decodeEvent(data).events).toEqual([{ data, event: undefined, id: undefined }])
  })

  test.each<[string, EventFields]>([
    ['event', { event: 'e' }],
    ['id', { id: 'i' }],
    ['retry', { retry: 1 }],
  ])('what has no data (only %s) is dispatched by no client', (_, event) => {
    expect(decodeEvent(event).events).toEqual([])
  })

  test('an empty name is the default one: message', () => {
    expect(decodeEvent({ event: '', data: 'd' }).events).toEqual([
      { data: 'd', event: undefined, id: undefined },
    ])
  })
})

describe('the serializer', () => {
  test('turns data that is not a string into one, and may return several lines', () => {
    expect(encodeEvent({ data: { a: 1 } }, (data) => JSON.stringify(data, null, 1))).toBe(
      'data: {\ndata:  "a": 1\ndata: }\n\n',
    )
  })

  test('is not asked about strings', () => {
    const asked: unknown[] = []
    const serializer: Serializer = (data) => String(asked.push(data))
    expect(encodeEvent('a', serializer) + encodeEvent({ data: 'b' }, serializer)).toBe(
      'data: a\n\ndata: b\n\n',
    )
    expect(asked).toEqual([])
  })

  test.each([undefined, 5, null, {}])('must return a string, not %o', (returned) => {
    expect(() => encodeEvent({ data: 1 }, () => returned as string)).toThrow(
      expect.objectContaining({ code: 'HF_ERR_EVENT_DATA' }) as Error,
    )
  })
})

describe('a comment', () => {
  test.each<[string, string]>([
    ['hello', ': hello\n'],
    ['', ': \n'],
    ['a\nb\rc\r\nd', ': a\n: b\n: c\n: d\n'],
    ['data: x', ': data: x\n'],
  ])('%j', (text, encoded) => {
    expect(encodeComment(text)).toBe(encoded)
  })

  test.each([5, null, undefined, {}, ['c'], Symbol('s')])('must be a string, not %o', (text) => {
    expect(() => encodeComment(text as string)).toThrow(
      expect.objectContaining({
        code: 'HF_ERR_EVENT_FIELD',
        message: expect.stringContaining('Field "comment" of an event must be a string, but got') as string,
      }) as Error,
    )
  })

  test('a heartbeat is a comment without text', () => {
    expect(decode(HEARTBEAT)).toEqual({ events: [], comments: [''], retries: [], errors: [] })
  })
})

describe('retry', () => {
  test.each([0, 1, 3_000, Number.MAX_SAFE_INTEGER])('%d arrives', (retryMs) => {
    expect(decode(encodeRetry(retryMs)).retries).toEqual([retryMs])
    // Alone it is no event, in which an empty line would end.
    expect(encodeEvent({ retry: retryMs })).toBe(encodeRetry(retryMs))
  })
})

describe('the sole line of an event', () => {
  test.each<[EventInput, string]>([
    ['text', 'text'],
    ['', ''],
    [{ data: 'text' }, 'text'],
    [{ data: '' }, ''],
    [{ data: 5 }, '5'],
    [{ data: null }, 'null'],
    [{ data: { text: 'a\nb' } }, '{"text":"a\\nb"}'],
  ])('of %o is %j', (event, line) => {
    expect(soleLine(event)).toBe(line)
  })

  test.each<unknown>([
    'a\nb',
    'a\rb',
    { data: 'a\nb' },
    { data: 'a\rb' },
    {},
    { data: undefined },
    { event: 'e' },
    { data: 'd', event: 'e' },
    { data: 'd', event: undefined },
    { event: 'e', data: 'd' },
    { id: 1, data: 'd' },
    { data: 'd', unknown: 1 },
    null,
    undefined,
    5,
    Object.assign(() => {}, { data: 'd' }),
    [],
    Symbol('s'),
  ])('is not what %o has', (event) => {
    expect(soleLine(event as EventInput)).toBe(undefined)
  })

  test('is left to encodeEvent() where a serializer may return several', () => {
    expect(soleLine({ data: 5 }, own)).toBe(undefined)
    expect(soleLine({ data: 'text' }, own)).toBe('text')
    expect(soleLine('text', own)).toBe('text')
  })

  test('throws as encodeEvent() does where the data cannot be serialized', () => {
    expect(() => soleLine({ data: 5n })).toThrow(
      expect.objectContaining({ code: 'HF_ERR_EVENT_DATA' }) as Error,
    )
  })
})
