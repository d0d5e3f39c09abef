import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { producer, workers, type Producer } from '../../src/index.ts'
import * as unfit from './disclosure-producers.ts'
import { Testbed } from '../support/testbed.ts'
import { later, SECRET } from '../support/producers/failing-sources.ts'
import { EXECUTORS } from '../support/executors.ts'

/** What a client must never see: where files lie, what stands in them, and how a function was reached. */
const INSIDE = /file:|[\\/](?:src|test|node_modules)[\\/]|\n\s+at |secret/

const anywhere = async (): Promise<void> => {}

test.each<[name: string, code: string, producer: Producer<never>, input?: unknown]>([
  ['a closure', 'HF_ERR_PRODUCER_NOT_PORTABLE', () => {}],
  [
    'a producer that its module does not export',
    'HF_ERR_PRODUCER_NOT_EXPORTED',
    producer(new URL('./disclosure-producers.ts', import.meta.url).href, anywhere, { name: 'hidden' }),
  ],
  ['one of two without a name', 'HF_ERR_PRODUCER_AMBIGUOUS', unfit.nameless],
  [
    'a producer in the entry module',
    'HF_ERR_PRODUCER_IN_ENTRY',
    producer(pathToFileURL(process.argv[1] as string).href, anywhere),
  ],
  [
    'a module that is missing',
    'HF_ERR_PRODUCER_MODULE',
    producer(new URL('./secret-folder/missing.js', import.meta.url).href, anywhere),
  ],
  [
    'a module that throws',
    'HF_ERR_PRODUCER_MODULE',
    producer('data:text/javascript,throw new Error("secret")', anywhere),
  ],
  [
    'an input that cannot be cloned',
    'HF_ERR_INPUT_NOT_CLONEABLE',
    unfit.named,
    { deep: [() => 'the secret source of a function'] },
  ],
])(
  '%s is refused, and the client learns nothing of what is inside',
  async (_, code, unfitProducer, input) => {
    const testbed = await Testbed.make({ executors: { workers: workers({ threads: 1 }) } })
    testbed.app.get('/', { sse: { executor: 'workers' } }, async (_request, reply) =>
      reply.sse(unfitProducer as Producer<unknown>, input),
    )
    const { status, headers, body } = await testbed.request('/')
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ code })
    expect(JSON.stringify(headers) + JSON.parse(body).message).not.toMatch(INSIDE)
    // Whoever runs the server learns more.
    expect(testbed.logged).toHaveLength(1)
  },
)

test('the log has the module, and why it did not load', async () => {
  const lines: string[] = []
  const testbed = await Testbed.make(
    { executor: 'workers' },
    { logger: { level: 'error', stream: { write: (line: string) => void lines.push(line) } } },
  )
  const module = new URL('./missing.js', import.meta.url).href
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer(module, anywhere)))
  expect((await testbed.request('/')).status).toBe(500)
  const { err } = JSON.parse(lines[0] as string) as { err: { module: string; stack: string } }
  expect(err.module).toBe(module)
  expect(err.stack).toMatch('caused by')
})

test.each(EXECUTORS)(
  'a producer that throws after the head tells the client nothing of it (%s)',
  async (executor) => {
    const testbed = await Testbed.make({ executor })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(later))
    const { status, body, trailers } = await testbed.request('/')
    expect({ status, body, trailers }).toEqual({ status: 200, body: 'data: before\n\n', trailers: {} })
    expect(testbed.logged).toEqual([{ msg: 'event stream failed', error: SECRET }])
  },
)

/** What an order to a thread is made of, as somebody may send it who knows the source. */
const ORDERS = [
  { producer: { module: 'data:text/javascript,globalThis.stolen=1', name: 'failing' } },
  { module: 'data:text/javascript,globalThis.stolen=1', name: 'failing', stream: 0, slot: 0 },
  JSON.parse('{"__proto__":{"producer":{"module":"data:text/javascript,globalThis.stolen=1"}}}'),
  { filename: 'data:text/javascript,globalThis.stolen=1', task: {}, transferList: [] },
  ['data:text/javascript,globalThis.stolen=1', 'failing'],
]

test('no input makes a thread run other code than the route names', async () => {
  const testbed = await Testbed.make({ executors: { workers: workers({ threads: 1 }) } })
  let input: unknown
  testbed.app.get('/', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(unfit.named, input))
  for (input of ORDERS) {
    const { body } = await testbed.request('/', {
      'last-event-id': 'data:text/javascript,globalThis.stolen=1',
    })
    expect(JSON.parse(body.slice('data: '.length))).toEqual({ input, stolen: false })
  }
})
