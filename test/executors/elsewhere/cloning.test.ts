import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import * as fc from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkCloneable, restore, strippedOf } from '../../../src/executors/elsewhere/cloning.ts'
import headfirst, { workers } from '../../../src/index.ts'
import { describes } from './cloning-producers.ts'
import { buffer, KEPT, Order, Ids, Cache, Note, LOST } from './cloning-values.ts'

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
