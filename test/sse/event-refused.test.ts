import { describe, expect, test } from 'vitest'
import { encodeEvent, soleLine, type EventInput, type Serializer } from '../../src/sse/event.ts'
import { attempt, wellFormed } from './event-decoding.ts'

function thrown(): never {
  throw new Error('not to be read')
}

const getter = (field: string): object => Object.defineProperty({}, field, { get: thrown, enumerable: true })

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

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
