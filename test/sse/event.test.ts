import { createParser } from 'eventsource-parser'
import * as fc from 'fast-check'
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

/** What a client makes of an event stream. */
interface Decoded {
  events: { data: string; event: string | undefined; id: string | undefined }[]
  comments: string[]
  retries: number[]
  /** What the client did not understand. */
  errors: string[]
}

/** Decodes with an independent parser; the bytes arrive in pieces, cut at these places. */
function decode(text: string, cuts: number[] = []): Decoded {
  const decoded: Decoded = { events: [], comments: [], retries: [], errors: [] }
  const parser = createParser({
    onEvent: ({ data, event, id }) => decoded.events.push({ data, event, id }),
    onComment: (comment) => decoded.comments.push(comment),
    onRetry: (retry) => decoded.retries.push(retry),
    onError: (error) => decoded.errors.push(error.message),
  })
  const bytes = Buffer.from(text)
  const decoder = new TextDecoder()
  let start = 0
  for (const end of [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  )) {
    parser.feed(decoder.decode(bytes.subarray(start, end), { stream: true }))
    start = end
  }
  return decoded
}

/** The text of an event, or why it is none. */
function attempt(event: EventInput): string | { code: string } {
  try {
    return encodeEvent(event)
  } catch (error) {
    return error as { code: string }
  }
}

const decodeEvent = (event: EventInput): Decoded => decode(encodeEvent(event))

/** A string as it is after UTF-8: lone surrogates have become U+FFFD. */
const wellFormed = (text: string): string => Buffer.from(text).toString()

/** A string as data arrives: every line end is LF. */
const lineFeeds = (text: string): string => text.replaceAll(/\r\n|\r/g, '\n')

/** All code points but the surrogates, which are none by themselves. */
function* everyCharacter(): Generator<string> {
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code < 0xd800 || code > 0xdfff) yield String.fromCodePoint(code)
  }
}

function thrown(): never {
  throw new Error('not to be read')
}

const getter = (field: string): object => Object.defineProperty({}, field, { get: thrown, enumerable: true })

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

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

describe('what is no event is refused', () => {
  const circular: { self?: unknown } = {}
  circular.self = circular

  test.each<[unknown, string]>([
    [null, 'HF_ERR_EVENT_INVALID'],
    [undefined, 'HF_ERR_EVENT_INVALID'],
    [0, 'HF_ERR_EVENT_INVALID'],
    [true, 'HF_ERR_EVENT_INVALID'],
    [1n, 'HF_ERR_EVENT_INVALID'],
    [Symbol('s'), 'HF_ERR_EVENT_INVALID'],
    [() => 'x', 'HF_ERR_EVENT_INVALID'],
    [['x'], 'HF_ERR_EVENT_INVALID'],
    [[], 'HF_ERR_EVENT_INVALID'],
    [{}, 'HF_ERR_EVENT_INVALID'],
    [{ data: undefined }, 'HF_ERR_EVENT_INVALID'],
    [Buffer.from('x'), 'HF_ERR_EVENT_INVALID'],
    [new Date(0), 'HF_ERR_EVENT_INVALID'],
    [new Map([['data', 'x']]), 'HF_ERR_EVENT_INVALID'],
    [{ data: 'd', name: 'e' }, 'HF_ERR_EVENT_INVALID'],
    [{ data: 'd', comment: 'c' }, 'HF_ERR_EVENT_INVALID'],
    [{ data: 'd', 'data: x\nevent': 'e' }, 'HF_ERR_EVENT_INVALID'],
    [{ Data: 'd' }, 'HF_ERR_EVENT_INVALID'],
    ...[
      'a\nb',
      'a\rb',
      'a\r\nb',
      '\n',
      'x\r',
      5,
      0,
      null,
      true,
      {},
      ['e'],
      1n,
      Symbol('s'),
      () => 'e',
      Object('e'),
    ].map((event): [unknown, string] => [{ event, data: '' }, 'HF_ERR_EVENT_FIELD']),
    ...[
      'a\nb',
      'a\rb',
      'a\r\nb',
      'a\0',
      '\0',
      NaN,
      Infinity,
      null,
      true,
      {},
      ['i'],
      1n,
      Symbol('s'),
      () => 'i',
      Object('i'),
    ].map((id): [unknown, string] => [{ id, data: '' }, 'HF_ERR_EVENT_FIELD']),
    ...[-1, 0.5, NaN, Infinity, 1e21, '5', '5\ndata: x', null, true, {}, [5], 1n].map(
      (retry): [unknown, string] => [{ retry, data: '' }, 'HF_ERR_EVENT_FIELD'],
    ),
    ...[1n, { deep: 1n }, Symbol('s'), () => 'd', circular, { toJSON: () => undefined }].map(
      (data): [unknown, string] => [{ data }, 'HF_ERR_EVENT_DATA'],
    ),
  ])('%o: %s', (event, code) => {
    const caught = attempt(event as EventInput)
    expect(caught).toMatchObject({ code, name: 'FastifyError' })
    expect(caught).toBeInstanceOf(TypeError)
  })

  test('an error of the serializer is the cause', () => {
    const cause = new Error('not today')
    const serializer: Serializer = () => {
      throw cause
    }
    expect(() => encodeEvent({ data: {} }, serializer)).toThrow(
      expect.objectContaining({ code: 'HF_ERR_EVENT_DATA', cause }) as Error,
    )
  })

  const send = 'Send a string, or an object with some of data, event, id and retry.'
  const orLeave = 'Send such a value, or leave the field out.'
  const name = 'Field "event" of an event must be a string without line ends, but got'
  const id = 'Field "id" of an event must be a finite number, or a string without line ends and NUL, but got'
  const retry = 'Field "retry" of an event must be a whole number of milliseconds from 0, but got'
  const data = 'Field "data" of an event could not be serialized:'
  const orSerialize =
    'Send a string, or a value that the serializer (by default JSON.stringify) turns into one.'

  test.each<[string, unknown]>([
    [`Not an event: it has no field. ${send}`, {}],
    [`Not an event: it has an unknown field "x\\ny". ${send}`, { data: '', 'x\ny': 1 }],
    [`Not an event: an object (Buffer). ${send}`, Buffer.from('data: x\n\n')],
    [`Not an event: an array. ${send}`, ['x']],
    [`Not an event: null. ${send}`, null],
    [`Not an event: 5. ${send}`, 5],
    [`Not an event: 5n. ${send}`, 5n],
    [`Not an event: Symbol(s). ${send}`, Symbol('s')],
    [`Not an event: function wellFormed. ${send}`, wellFormed],
    [`Not an event: function (anonymous). ${send}`, (() => () => {})()],
    [`${name} an object (Map). ${orLeave}`, { event: new Map() }],
    [`${name} an object (no class). ${orLeave}`, { event: Object.create(null) }],
    [`${name} "\\n${'x'.repeat(39)}". ${orLeave}`, { event: `\n${'x'.repeat(39)}` }],
    [`${name} "\\n${'x'.repeat(39)}…". ${orLeave}`, { event: `\n${'x'.repeat(40)}` }],
    [`${name} "\\n${'x'.repeat(39)}…". ${orLeave}`, { event: `\n${'x'.repeat(1_000_000)}` }],
    [`${id} "\\u0000". ${orLeave}`, { id: '\0' }],
    [`${retry} -1. ${orLeave}`, { retry: -1 }],
    [`${data} for Symbol(s) the serializer returned undefined. ${orSerialize}`, { data: Symbol('s') }],
  ])('says: %s', (message, event) => {
    expect(() => encodeEvent(event as EventInput)).toThrow(expect.objectContaining({ message }) as Error)
  })

  test.each<[string, unknown]>([
    ['a getter of a field throws', Object.assign(getter('event'), { data: '' })],
    ['the getter of data throws', getter('data')],
    ['a proxy throws', new Proxy({}, { ownKeys: () => thrown() })],
    ['a proxy is revoked', revoked()],
  ])('what cannot be read is no event: %s', (_, event) => {
    expect(attempt(event as EventInput)).toMatchObject({
      code: 'HF_ERR_EVENT_INVALID',
      message: `Not an event: it cannot be read. ${send}`,
      cause: expect.any(Error) as Error,
    })
    // As a stream does whose sink has a faster way for a line.
    expect(() => soleLine(event as EventInput) ?? encodeEvent(event as EventInput)).toThrow(
      expect.objectContaining({ code: 'HF_ERR_EVENT_INVALID' }) as Error,
    )
  })

  test.each<[string, unknown, RegExp]>([
    ['a name that is no string', { constructor: { name: Symbol('s') } }, /but got an object \(no class\)/],
    ['a name that has no text', { constructor: { name: Object.create(null) } }, /an object \(no class\)/],
    ['a class that throws', getter('constructor'), /but got something that cannot be read/],
    ['a revoked proxy', revoked(), /but got something that cannot be read/],
    ['a long name', { constructor: { name: 'x'.repeat(1_000_000) } }, /an object \(x{40}\)/],
  ])('and shown: %s', (_, event, message) => {
    expect(() => encodeEvent({ event: event as string, data: '' })).toThrow(message)
  })

  test.each<[string, unknown]>([
    ['an object without a class', Object.create(null)],
    ['a symbol', Symbol('s')],
    ['an object that cannot be read', getter('message')],
  ])('a serializer may throw %s', (_, cause) => {
    const serializer: Serializer = () => {
      throw cause
    }
    expect(() => encodeEvent({ data: {} }, serializer)).toThrow(
      expect.objectContaining({ code: 'HF_ERR_EVENT_DATA' }) as Error,
    )
  })

  test.each<[string, unknown]>([
    ['not today', new Error('not today')],
    ['"text"', 'text'],
    ['undefined', undefined],
    ['null', null],
    ['an object (Object)', { message: 5 }],
  ])('a serializer that throws is quoted: %s', (quote, cause) => {
    const serializer: Serializer = () => {
      throw cause
    }
    expect(() => encodeEvent({ data: {} }, serializer)).toThrow(
      expect.objectContaining({ message: `${data} ${quote}. ${orSerialize}` }) as Error,
    )
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

const own: Serializer = (value) => JSON.stringify(value)

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
