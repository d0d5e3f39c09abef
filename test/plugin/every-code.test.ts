/** Every code of src/errors.ts, raised by what it tells of. The other tests look closer; this one leaves none out. */
import { PassThrough, Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import * as errors from '../../src/errors.ts'
import headfirst, {
  History,
  inline,
  producer,
  workers,
  type EventStream,
  type HeadfirstOptions,
  type PortableProducer,
  type Producer,
  type SseRouteOptions,
} from '../../src/index.ts'
import { makeFlags, type Flags, until } from '../../src/testing/flags.ts'
import { openStream } from '../../src/testing/index.ts'
import * as servers from '../support/modules/makes-server.ts'
import { Testbed } from '../support/testbed.ts'
import { breakStarts } from '../support/broken-starts.ts'
import * as dying from '../support/producers/dying.ts'
import * as endless from '../support/producers/endless.ts'
import * as plain from '../support/producers/plain.ts'
import { errorOf } from '../support/errors.ts'

const registering = async (options: HeadfirstOptions): Promise<unknown> =>
  errorOf(async () => Fastify().register(headfirst, options))

interface Served {
  options?: SseRouteOptions
  input?: unknown
  headers?: Record<string, string>
}

/** A server with one route. Its `workers` are one thread at the server's own priority. */
async function serving(produce: Producer<never>, { options = {}, input }: Served): Promise<Testbed> {
  const testbed = await Testbed.make({
    executors: { workers: workers({ threads: 1, streamsPerThread: 1, maxQueue: 0, niceIncrement: 0 }) },
  })
  testbed.app.get('/', { sse: options }, async (_, reply) => reply.sse(produce as Producer<unknown>, input))
  return testbed
}

/** The error that a client is answered with instead of the stream. */
async function replied(produce: Producer<never>, served: Served = {}): Promise<unknown> {
  const testbed = await serving(produce, served)
  for (;;) {
    const { status, body } = await testbed.request('/', served.headers)
    // A head waits a second for its module to load. On a busy machine that may take longer: the next client is refused.
    if (status !== 200 && status !== 503) return JSON.parse(body) as unknown
  }
}

/** The error that a stream is closed with. */
async function closing(produce: Producer<never>, served: Served = {}): Promise<unknown> {
  const testbed = await serving(produce, served)
  await testbed.request('/')
  return (await testbed.closeInfo()).error
}

/** What `send()` throws. */
const sending = async (event: unknown): Promise<unknown> =>
  closing(async (stream: EventStream) => void stream.send(event as string))

/** What a handler's second use of its reply throws. */
async function secondReply(first: 'send' | 'sse'): Promise<unknown> {
  const testbed = await Testbed.make()
  let error: unknown
  testbed.app.get('/', { sse: true }, async (_, reply) => {
    const sent = first === 'send' ? reply.send('first') : reply.sse((stream) => stream.close())
    error = await errorOf(() => reply.sse((stream) => stream.close()))
    return sent
  })
  await testbed.request('/')
  return error
}

/** On threads, a producer that a module does not have. */
const onWorkers = async (module: string, name?: string): Promise<unknown> =>
  replied(
    producer(module, async () => {}, name === undefined ? {} : { name }),
    {
      options: { executor: 'workers' },
    },
  )

const beside = (file: string): string => new URL(file, import.meta.url).href

/** A server with the one place of its pool taken. */
async function full(): Promise<Testbed> {
  const flags = makeFlags()
  const testbed = await serving(endless.looksOn as PortableProducer<{ flags: Flags }>, {
    input: { flags },
    options: { executor: 'workers' },
  })
  const client = await testbed.ask('/')
  await client.including('data: 0')
  onTestFinished(() => client.destroy())
  return testbed
}

const RAISED: Record<keyof typeof errors, () => Promise<unknown>> = {
  HF_ERR_OPTION_UNKNOWN: async () => registering({ heartbeat: 1 } as HeadfirstOptions),
  HF_ERR_OPTION_INVALID: async () => registering({ heartbeatMs: -1 }),
  HF_ERR_EXECUTOR_UNKNOWN: async () => registering({ executor: 'nobody' }),
  HF_ERR_EXECUTOR_INVALID: async () => registering({ executors: { mine: inline as never } }),
  HF_ERR_EXECUTOR_TAKEN: async () => {
    const one = inline()
    return registering({ executors: { one, other: one } })
  },
  HF_ERR_ALREADY_REGISTERED: async () => {
    const app = Fastify()
    await app.register(headfirst)
    return errorOf(async () => app.register(headfirst))
  },
  HF_ERR_REPLY_SSE_TAKEN: async () => {
    const app = Fastify()
    app.decorateReply('sse', null as never)
    return errorOf(async () => app.register(headfirst))
  },
  HF_ERR_ROUTE_WITHOUT_SSE: async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', async (_, reply) => reply.sse(() => {}))
    return JSON.parse((await testbed.request('/')).body) as unknown
  },

  HF_ERR_REPLY_ALREADY_SENT: async () => secondReply('send'),
  HF_ERR_SSE_TWICE: async () => secondReply('sse'),
  HF_ERR_PRODUCER_INVALID: async () => replied('no function' as never),
  HF_ERR_PRODUCER_NOT_PORTABLE: async () => replied(() => {}, { options: { executor: 'workers' } }),
  HF_ERR_PRODUCER_NOT_EXPORTED: async () => onWorkers(beside('../support/producers/plain.ts'), 'nobody'),
  HF_ERR_PRODUCER_AMBIGUOUS: async () => onWorkers(beside('../support/producers/plain.ts')),
  HF_ERR_PRODUCER_IN_ENTRY: async () => onWorkers(pathToFileURL(process.argv[1] as string).href),
  HF_ERR_SERVER_ON_THREAD: async () => replied(servers.awaited, { options: { executor: 'workers' } }),
  HF_ERR_PRODUCER_MODULE: async () => onWorkers(beside('./nowhere.ts')),
  HF_ERR_INPUT_NOT_CLONEABLE: async () =>
    replied(plain.count, { input: { events: () => 1 }, options: { executor: 'workers' } }),
  HF_ERR_PAYLOAD_WRAPPED: async () => {
    const testbed = await Testbed.make()
    testbed.app.addHook('onSend', async (_request, _reply, payload) =>
      typeof payload === 'string' ? payload : (payload as Readable).pipe(new PassThrough()),
    )
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(() => {}))
    return JSON.parse((await testbed.request('/')).body) as unknown
  },
  HF_ERR_NOT_ACCEPTABLE: async () => replied(() => {}, { headers: { accept: 'text/html' } }),
  HF_ERR_CLIENT_LIMIT: async () => {
    const testbed = await serving((stream) => void stream.send('open'), {
      options: { maxStreamsPerClient: 1 },
    })
    const client = await testbed.ask('/')
    await client.including('data: open')
    return JSON.parse((await testbed.request('/')).body) as unknown
  },
  HF_ERR_EXECUTOR_FULL: async () => {
    const testbed = await full()
    return JSON.parse((await testbed.request('/')).body) as unknown
  },
  HF_ERR_EXECUTOR_UNAVAILABLE: async () => {
    breakStarts()
    const testbed = await serving(plain.count, {
      input: { events: 1 },
      options: { executor: 'workers' },
    })
    for (;;) {
      // Whoever comes before the first thread has died waits for it.
      const client = await testbed.ask('/')
      await client.head()
      const [response] = client.responses
      if (response?.status === 503) return JSON.parse((await client.response()).body) as unknown
      client.destroy()
      await testbed.idle()
    }
  },

  HF_ERR_EVENT_INVALID: async () => sending(5),
  HF_ERR_EVENT_FIELD: async () => sending({ id: 'two\nlines' }),
  HF_ERR_EVENT_DATA: async () => sending({ data: 1n }),
  HF_ERR_EVENT_TOO_LARGE: async () =>
    errorOf(() => new History({ maxBytes: 10 }).push('key', 'more than ten bytes')),
  HF_ERR_STREAM_LEFT_OPEN: async () => {
    const lines: { err?: unknown }[] = []
    const stream = { write: (line: string) => void lines.push(JSON.parse(line) as object) }
    const testbed = await Testbed.make({}, { logger: { level: 'warn', stream } })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse((open) => void open.send('first')))
    const client = await testbed.ask('/')
    await client.including('first')
    client.destroy()
    return lines[0]?.err
  },
  HF_ERR_SOURCE_IN_USE: async () => closing(() => Readable.from(['x']).on('data', () => {})),
  HF_ERR_TEXT_TOO_LONG: async () => {
    const { app } = await serving((stream: EventStream) => stream.close(), { options: { retryMs: 1 } })
    const opened = await openStream(app, { maxText: 1 })
    return opened.text().catch((error: unknown) => error)
  },
  HF_ERR_CANNOT_BLOCK: async () => closing(async (stream: EventStream) => void stream.readySync()),
  HF_ERR_STREAM_CLOSED: async () => {
    let signal: AbortSignal | undefined
    const testbed = await serving((stream: EventStream) => {
      signal = stream.signal
      stream.send('first')
    }, {})
    const client = await testbed.ask('/')
    await client.including('first')
    client.destroy()
    await until(() => signal?.aborted === true, 'the abort')
    return signal?.reason as unknown
  },
  HF_ERR_STREAM_TIMEOUT: async () => closing(() => {}, { options: { timeouts: { totalMs: 20 } } }),
  HF_ERR_THREAD_LOST: async () =>
    closing(dying.exits, { input: { events: 1 }, options: { executor: 'workers' } }),
}

test('each code has a way to be raised', () => {
  expect(Object.keys(RAISED).toSorted()).toEqual(Object.keys(errors).toSorted())
})

test.each(Object.entries(RAISED))('%s is raised', async (code, raise) => {
  expect(await raise()).toMatchObject({ code })
})
