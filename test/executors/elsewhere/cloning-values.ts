/** Values that a producer on a thread gets as it would get them inline, and values that it would not. */
import { createSecretKey } from 'node:crypto'
import { BlockList } from 'node:net'
import { parse } from 'node:querystring'
import { runInNewContext } from 'node:vm'
import { MessageChannel } from 'node:worker_threads'

export const buffer: Buffer = Buffer.from('a note')

/** An object that stands in itself. */
const cycle = (): object => {
  const one: Record<string, unknown> = { n: 1 }
  return Object.assign(one, { self: one, list: [one, { one }] })
}

/** Two ways from each object to the next. */
const braid = (length: number): object => {
  let last: object = { end: true }
  for (let n = 0; n < length; n++) last = { left: last, right: last }
  return last
}

const nested = (depth: number): object => {
  let last: object = {}
  for (let n = 0; n < depth; n++) last = { last }
  return last
}

const elsewhere = (code: string): unknown => runInNewContext(code)

export const KEPT: Record<string, unknown> = {
  nothing: undefined,
  null: null,
  'text, numbers, truth values': ['x', '', 0, -0, NaN, Infinity, 5n, true, undefined],
  'an object': { id: '7', deep: { list: [1, { two: 2 }], 'odd key\n': 1, 5: 'five' } },
  // eslint-disable-next-line no-sparse-arrays
  'a sparse array with properties': Object.assign([1, , 3], { more: { at: new Date(0) } }),
  'a very sparse array': Object.assign([], { 4_000_000_000: 'last' }),
  'what a regular expression has matched': /(?<name>a)/.exec('an a'),
  'an own property named __proto__': JSON.parse('{"__proto__":{"admin":true},"constructor":1}'),
  'a getter': {
    get total() {
      return 7
    },
  },
  'a frozen object': Object.freeze({ list: Object.freeze([1]) }),
  'an object without a prototype': Object.assign(Object.create(null), { a: { b: parse('c=1') } }),
  'a Buffer': buffer,
  'a Buffer without bytes': Buffer.alloc(0),
  Buffers: { one: buffer, again: buffer, part: buffer.subarray(2), list: [new Map([[buffer, buffer]])] },
  'a Buffer in shared memory': Buffer.from(new SharedArrayBuffer(3)),
  bytes: [
    new Uint8Array([1]),
    new Float64Array(2),
    new BigInt64Array(1),
    new DataView(new ArrayBuffer(4), 2),
  ],
  memory: [new ArrayBuffer(3), new SharedArrayBuffer(3)],
  'dates and patterns': [new Date(0), new Date(NaN), /a+/giu],
  'maps and sets': new Map<unknown, unknown>([
    ['a', new Set([1, { b: 2 }])],
    [{ key: 1 }, new Map()],
  ]),
  errors: [
    new Error('one', { cause: new RangeError('two', { cause: { note: buffer } }) }),
    new TypeError(''),
  ],
  'wrapped primitives': [Object('text'), Object(5), Object(false), Object(5n)],
  'a cycle': cycle(),
  'many ways to one object': braid(40),
  'hundreds of crossroads': braid(900),
  'many objects': Array.from({ length: 3_000 }, (_, n) => ({ n, note: n % 1_000 === 0 ? buffer : null })),
  'deep objects': nested(900),
  'objects of another realm': elsewhere(
    `({ list: [1, [2]], map: new Map([[new Date(0), new Set([1])]]), bytes: new Uint8Array(2), error: new TypeError('x'), re: /x/ })`,
  ),
  'a key': createSecretKey(buffer),
  'a blob': new Blob(['x'], { type: 'text/plain' }),
  'a list of addresses': new BlockList(),
}

export class Order {
  id = 7
}
export class Ids extends Array<number> {}
export class Cache extends Map<string, number> {}
class Tags extends Set<string> {}
class Day extends Date {}
export class Note extends Uint8Array {}

const transferred = (): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(8)
  structuredClone(bytes, { transfer: [bytes.buffer] })
  return bytes
}

const throwing = (): never => {
  throw new Error('not to be read')
}

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const OWN = 'with properties of its own'
const HIDDEN = 'with symbols for keys, or properties that are not enumerable'

export const LOST: Record<string, [value: unknown, path: string, what: string]> = {
  'a function': [() => 'secret', 'input', 'a function'],
  'a symbol': [{ kind: Symbol('secret') }, 'input.kind', 'a symbol'],
  'a method': [{ user: { name: 'x', greet() {} } }, 'input.user.greet', 'a function'],
  'a URL': [{ user: { avatar: new URL('http://secret/') } }, 'input.user.avatar', 'an object (URL)'],
  headers: [[{}, new Headers()], 'input[1]', 'an object (Headers)'],
  'a class of the program': [{ list: [1, new Order()] }, 'input.list[1]', 'an object (Order)'],
  'an object that inherits': [
    { made: Object.create({ inherited: 1 }) },
    'input.made',
    'an object that inherits from another',
  ],
  'an object that inherits from one without a prototype': [
    Object.create(Object.create(null, { greet: { value: 'secret' } })),
    'input',
    'an object that inherits from another',
  ],
  'the environment': [{ env: process.env }, 'input.env', 'an object that inherits from another'],
  'a subclass of Array': [{ ids: Ids.of(1) }, 'input.ids', 'an object (Ids)'],
  'a subclass of Map': [{ cache: new Cache() }, 'input.cache', 'an object (Cache)'],
  'a subclass of Set': [{ tags: new Tags() }, 'input.tags', 'an object (Tags)'],
  'a subclass of Date': [{ day: new Day(0) }, 'input.day', 'an object (Day)'],
  'what only looks like a map': [Object.create(Map.prototype), 'input', 'an object (Map)'],
  'what only looks like a set': [Object.create(Set.prototype), 'input', 'an object (Set)'],
  'what only looks like a date': [Object.create(Date.prototype), 'input', 'an object (Date)'],
  'what only looks like bytes': [Object.create(Uint8Array.prototype), 'input', 'an object (Uint8Array)'],
  'something in an object of another realm': [
    Object.assign(elsewhere('({})') as object, { url: new URL('http://a/') }),
    'input.url',
    'an object (URL)',
  ],
  'something in an array of another realm': [
    Object.assign(elsewhere('[1]') as unknown[], [new URL('http://a/')]),
    'input[0]',
    'an object (URL)',
  ],
  'a subclass of Uint8Array': [{ note: new Note(1) }, 'input.note', 'an object (Note)'],
  'an error of a class': [new (class HttpError extends Error {})('secret'), 'input', 'an object (HttpError)'],
  'an error with a code': [
    Object.assign(new Error('secret'), { code: 'E' }),
    'input',
    `an object (Error) ${OWN}`,
  ],
  'several errors': [{ all: new AggregateError([], 'secret') }, 'input.all', 'an object (AggregateError)'],
  'what an error was caused by': [
    { error: new Error('secret', { cause: { url: new URL('http://a/') } }) },
    'input.error.cause.url',
    'an object (URL)',
  ],
  'a promise': [{ later: Promise.resolve() }, 'input.later', 'an object (Promise)'],
  'a generator': [{ rows: [1].values() }, 'input.rows', 'an object that inherits from another'],
  'a weak map': [new WeakMap(), 'input', 'an object (WeakMap)'],
  'a symbol for a key': [{ user: { [Symbol('secret')]: 1 } }, 'input.user', `an object ${HIDDEN}`],
  'a hidden property': [
    Object.defineProperty({ a: 1 }, 'secret', { value: 1 }),
    'input',
    `an object ${HIDDEN}`,
  ],
  'a symbol on an array': [
    { list: Object.assign([1], { [Symbol('secret')]: 1 }) },
    'input.list',
    'an array with symbols for keys',
  ],
  'a function on an array': [
    { list: Object.assign([1], { map: () => 'secret' }) },
    'input.list.map',
    'a function',
  ],
  'a function on an array with a hole': [
    // eslint-disable-next-line no-sparse-arrays
    { list: Object.assign([1, ,], { map: () => 'secret' }) },
    'input.list.map',
    'a function',
  ],
  'a property of a date': [
    { at: Object.assign(new Date(0), { zone: 'secret' }) },
    'input.at',
    `an object (Date) ${OWN}`,
  ],
  'a property of a map': [Object.assign(new Map(), { size2: 1 }), 'input', `an object (Map) ${OWN}`],
  'a property of a set': [Object.assign(new Set(), { size2: 1 }), 'input', `an object (Set) ${OWN}`],
  'a property of memory': [
    Object.assign(new ArrayBuffer(1), { name: 1 }),
    'input',
    `an object (ArrayBuffer) ${OWN}`,
  ],
  'a symbol on bytes': [
    { bytes: Object.assign(Buffer.from('x'), { [Symbol('secret')]: 1 }) },
    'input.bytes',
    `an object (Buffer) ${OWN}`,
  ],
  'memory that is elsewhere': [
    { memory: transferred().buffer },
    'input.memory',
    'an object (ArrayBuffer) whose bytes were transferred elsewhere',
  ],
  'bytes that are elsewhere': [
    transferred(),
    'input',
    'an object (Uint8Array) whose bytes were transferred elsewhere',
  ],
  'a pattern amid a search': [
    { re: Object.assign(/a/g, { lastIndex: 1 }) },
    'input.re',
    'a RegExp whose lastIndex is not 0',
  ],
  'a port': [{ port: new MessageChannel().port1 }, 'input.port', 'an object (MessagePort)'],
  'a value in a map': [
    {
      users: new Map([
        ['a', {}],
        ['secret', { url: new URL('http://a/') }],
      ]),
    },
    '[...input.users.values()][1].url',
    'an object (URL)',
  ],
  'a key of a map': [
    { users: new Map([[{ key: () => {} }, 1]]) },
    '[...input.users.keys()][0].key',
    'a function',
  ],
  'a value in a set': [{ users: new Set([1, Symbol('secret')]) }, '[...input.users][1]', 'a symbol'],
  'a getter that throws': [
    {
      list: [
        {
          get total() {
            return throwing()
          },
        },
      ],
    },
    'input.list[0].total',
    'something that cannot be read',
  ],
  'a getter on an array': [
    Object.defineProperty([1, 2], 1, { get: throwing }),
    'input[1]',
    'something that cannot be read',
  ],
  'a proxy': [{ deep: new Proxy({}, {}) }, 'input.deep', 'a Proxy'],
  'a proxy that is no more': [revoked(), 'input', 'a Proxy'],
  'a proxy for a prototype': [
    { deep: Object.create(new Proxy({}, { getPrototypeOf: throwing })) },
    'input.deep',
    'something that cannot be read',
  ],
  'the same, at the root': [
    Object.create(new Proxy({}, { getPrototypeOf: throwing })),
    'input',
    'something that cannot be read',
  ],
  'what is nested too deep': [
    nested(50_000),
    `input${'.last'.repeat(5)} … ${'.last'.repeat(6)}`,
    'nested too deep',
  ],
  'an odd key': [
    { 'two\nlines': { '007': [{ 7: () => {} }] } },
    'input["two\\nlines"]["007"][0][7]',
    'a function',
  ],
  'a long key': [{ ['x'.repeat(50)]: () => {} }, `input["${'x'.repeat(40)}…"]`, 'a function'],
  'a class with a long name': [
    new (Object.defineProperty(class extends Order {}, 'name', { value: 'X'.repeat(50) }))(),
    'input',
    `an object (${'X'.repeat(40)})`,
  ],
}
