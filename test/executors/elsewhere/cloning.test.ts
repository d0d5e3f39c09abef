import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { BlockList } from 'node:net'
import { parse } from 'node:querystring'
import { runInNewContext } from 'node:vm'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import * as fc from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkCloneable, restore, strippedOf } from '../../../src/executors/elsewhere/cloning.ts'
import headfirst, { workers } from '../../../src/index.ts'
import { describes } from './cloning-producers.ts'

const buffer = Buffer.from('a note')

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

const KEPT: Record<string, unknown> = {
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

class Order {
  id = 7
}
class Ids extends Array<number> {}
class Cache extends Map<string, number> {}
class Tags extends Set<string> {}
class Day extends Date {}
class Note extends Uint8Array {}

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

const LOST: Record<string, [value: unknown, path: string, what: string]> = {
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

let app: FastifyInstance

/** What a client gets of a producer with this input, and with this in its context. */
async function served(executor: string, name: string): Promise<{ status: number; body: string }> {
  const { port } = app.server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/${executor}/${encodeURIComponent(name)}`)
  return { status: response.status, body: await response.text() }
}

const valueOf = (name: string): unknown => (name in KEPT ? KEPT[name] : LOST[name]?.[0])

beforeAll(async () => {
  app = Fastify()
  await app.register(headfirst, { executors: { workers: workers({ threads: 1, niceIncrement: 0 }) } })
  for (const executor of ['inline', 'workers']) {
    app.get<{ Params: { name: string } }>(
      `/${executor}/:name`,
      {
        sse: {
          executor,
          maxBuffered: 2 ** 28,
          context: ({ params }) => ({ extra: valueOf((params as { name: string }).name) }),
        },
      },
      async ({ params }, reply) => reply.sse(describes, valueOf(params.name)),
    )
  }
  app.get(
    '/query/:id',
    { sse: { executor: 'workers', context: ({ params }) => ({ extra: params }) } },
    async (request, reply) => reply.sse(describes, request.query),
  )
  await app.listen({ port: 0, host: '127.0.0.1' })
})
afterAll(async () => app.close())

test.each(Object.keys(KEPT))('a producer on a thread sees what it would see inline: %s', async (name) => {
  const { status, body } = await served('workers', name)
  expect(body).toMatch(/^event: input\ndata: .+\n\nevent: context\ndata: .+\n\n$/)
  expect({ status, body }).toEqual(await served('inline', name))
})

describe('before the head, with where it stands and what it is, and no value:', () => {
  test.each(Object.entries(LOST))('%s is refused', async (name, [value, path, what]) => {
    const { status, body } = await served('workers', name)
    const { code, message } = JSON.parse(body) as { code: string; message: string }
    expect({ status, code }).toEqual({ status: 500, code: 'HF_ERR_INPUT_NOT_CLONEABLE' })
    expect(message).toMatch(`Route GET /workers/:name `)
    expect(message).toMatch(`as they are: ${path} is ${what}. Pass plain data`)
    expect(message).not.toMatch('secret')
    const context = { requestId: 'req-1', route: 'GET /', extra: value }
    expect(() => checkCloneable({ input: 5, context, route: 'GET /' })).toThrow(
      // A path that is cut has one step more.
      path.includes(' … ')
        ? ': context.extra.last'
        : `: ${path.replace('input', 'context.extra')} is ${what}`,
    )
  })

  test('a path of twelve steps is told whole', () => {
    const input = Array.from({ length: 11 }).reduce<unknown>(
      (last) => ({ last }),
      () => 'secret',
    )
    expect(sent(input).refusal?.message).toMatch(`: input${'.last'.repeat(11)} is a function.`)
  })

  test.each([
    ['a getter that throws', 'not to be read'],
    ['the same, at the root', 'not to be read'],
    ['a promise', '#<Promise> could not be cloned.'],
  ])('what stood in the way of %s is the cause, for the log', (name, message) => {
    const { refusal } = sent(LOST[name]?.[0])
    expect(refusal).toMatchObject({ cause: { message } })
  })
})

/** What is told of an object without a prototype. */
const bare = (own: Record<string, string>): string =>
  JSON.stringify({
    classes: '',
    inherits: false,
    own: Object.entries(own).map(([key, text]) => [key, `string ${text}`]),
  })

test('a query and parameters of Fastify arrive as objects without a prototype', async () => {
  const { port } = app.server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/query/7?a=1&constructor=x`)
  const [input, inContext] = [bare({ a: '1', constructor: 'x' }), bare({ id: '7' })]
  expect(await response.text()).toBe(`event: input\ndata: ${input}\n\nevent: context\ndata: ${inContext}\n\n`)
})

const context = { requestId: 'req-1', route: 'GET /' }

/** A value as a message brings it to a thread, and whether it may go there. */
function sent(input: unknown): { refusal: Error | undefined; arrived: () => unknown } {
  const task = { input, context, route: 'GET /' }
  let refusal: Error | undefined
  try {
    checkCloneable(task)
  } catch (error) {
    refusal = error as Error
  }
  const arrived = (): unknown => {
    const { port1, port2 } = new MessageChannel()
    try {
      port1.postMessage({ input, stripped: strippedOf(task) })
      const { message } = receiveMessageOnPort(port2) as {
        message: { input: unknown; stripped: object[] | undefined }
      }
      restore(message.stripped)
      return message.input
    } finally {
      port1.close()
    }
  }
  return { refusal, arrived }
}

/** With classes, symbols for keys, and what is identical, as far as it is enumerable. */
function isSame(arrived: () => unknown, expected: unknown): boolean {
  try {
    assert.deepStrictEqual(arrived(), expected)
    return true
  } catch {
    return false
  }
}

const scalars = [fc.string(), fc.double(), fc.boolean(), fc.bigInt(), fc.constantFrom(null, undefined)]

/** Values of every kind with these among them. */
const anything = (values: fc.Arbitrary<unknown>[], withNullPrototype: boolean): fc.Arbitrary<unknown> =>
  fc.anything({
    values: [...scalars, ...values],
    withBoxedValues: true,
    withMap: true,
    withNullPrototype,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
    maxDepth: 4,
  })

const kept = [
  // Those without a time are not equal to themselves in Node 20's assert.
  fc.date({ noInvalidDate: true }),
  fc.string().map((text) => new RangeError(text)),
  fc.constantFrom<unknown>(/a/g, new ArrayBuffer(2), new DataView(new ArrayBuffer(2)), buffer.buffer),
]

const lost = fc.constantFrom<unknown>(
  () => 'secret',
  new URL('http://a/'),
  new Headers(),
  new Order(),
  Ids.of(1),
  new Cache(),
  new Note(1),
  new Proxy({}, {}),
  Promise.resolve(),
  Object.assign(new Error('secret'), { code: 'E' }),
  Object.assign(/a/g, { lastIndex: 1 }),
  Object.assign([1], { [Symbol('secret')]: 1 }),
  { [Symbol('secret')]: 1 },
)

const anyBuffer = fc.uint8Array().map((bytes) => Buffer.from(bytes))

test('where nothing loses its prototype, nothing is sent besides', () => {
  const plain = { input: { id: '7', list: [new Date(0)] }, context, route: 'GET /' }
  checkCloneable(plain)
  expect(strippedOf(plain)).toBe(undefined)
  const one = { input: { buffer, list: [buffer] }, context: { ...context, buffer }, route: 'GET /' }
  checkCloneable(one)
  expect(strippedOf(one)).toEqual([buffer])
})

test('whatever is let through arrives equal, with the same prototypes', () => {
  fc.assert(
    fc.property(anything([...kept, anyBuffer], true), (value) => {
      const { refusal, arrived } = sent(value)
      assert.ifError(refusal)
      assert.deepStrictEqual(arrived(), value)
    }),
    { numRuns: 500 },
  )
})

test('whatever would arrive as something else is refused, and nothing else is', () => {
  let refused = 0
  fc.assert(
    fc.property(anything([...kept, lost], false), (value) => {
      const { refusal, arrived } = sent(value)
      if (refusal !== undefined) refused++
      assert.equal(refusal === undefined, isSame(arrived, value))
    }),
    { numRuns: 500 },
  )
  expect(refused).toBeGreaterThan(0)
})

test('the path in the message leads to what is refused', () => {
  const key = fc.string({ maxLength: 40 })
  const layer = fc.oneof(
    fc
      .tuple(key, anything(kept, true))
      .map(([name, other]) => (value: unknown) => ({ other, [name]: value })),
    fc.array(anything(kept, true), { maxLength: 3 }).map((others) => (value: unknown) => [...others, value]),
    key.map((name) => (value: unknown) => Object.assign([1, 2], { [`_${name}`]: value })),
    fc.nat(200).map((index) => (value: unknown) => Object.assign([], { [index]: value })),
    anything(kept, true).map(
      (other) => (value: unknown) =>
        new Map([
          [{}, other],
          [{}, value],
        ]),
    ),
    anything(kept, true).map((other) => (value: unknown) => new Map([[value, other]])),
    anything(kept, true).map((other) => (value: unknown) => new Set([{ other }, value])),
  )
  fc.assert(
    fc.property(fc.array(layer, { maxLength: 10 }), lost, (layers, value) => {
      const input = layers.reduce((within, wrap) => wrap(within), value)
      const { refusal } = sent(input)
      const [, path] = /as they are: (.*) is (?:an? |something).*\. Pass/.exec(refusal?.message ?? '') ?? []
      // eslint-disable-next-line typescript/no-implied-eval
      const follow = new Function('input', `return ${path}`) as (input: unknown) => unknown
      assert.strictEqual(follow(input), value)
    }),
    { numRuns: 500 },
  )
})
