/**
 * One file, since one record of hooks serves all: whose request a producer and the hooks find themselves in, whatever
 * woke them.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { request as requestTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import requestContext from '@fastify/request-context'
import { context, createContextKey } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { History, type EventInput, type EventStream, type SseRouteOptions } from '../../src/index.ts'
import * as producers from '../../src/testing/producers.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { Http2Client } from '../support/http2-client.ts'
import { isHttp2, origin, SERVERS, type Protocol } from '../support/protocols.ts'
import { until } from '../../src/testing/flags.ts'
import { EXECUTORS } from '../support/executors.ts'

const ON_THIS_THREAD = ['inline', 'microtask', 'deferred']
const CLIENTS = ['a', 'b', 'c', 'd', 'e']

const whoOf = (request: FastifyRequest): string => String(request.headers['x-who'])
const who = (): string | undefined => producers.identity.getStore()

function identify(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    producers.identity.run(whoOf(request), done)
  })
}

/** What each hook found, as `onClose a: a`: by whose request it was, and who it was there. */
class Hooks {
  readonly found: string[] = []

  readonly options: SseRouteOptions = {
    onOpen: (_stream, request) => this.#note('onOpen', request),
    onClose: (_info, request) => this.#note('onClose', request),
    context: (request) => {
      this.#note('context', request)
      return { who: whoOf(request) }
    },
    maxStreamsPerClient: 1,
    clientKey: (request) => {
      this.#note('clientKey', request)
      return whoOf(request)
    },
  }

  readonly expected: readonly string[]

  constructor(names: readonly string[] = ['context', 'clientKey', 'onOpen', 'onClose']) {
    this.expected = CLIENTS.flatMap((client) =>
      names.map((name) => `${name} ${client}: ${client}`),
    ).toSorted()
  }

  watch(app: FastifyInstance, name: 'onSend' | 'onResponse'): void {
    if (name === 'onSend') app.addHook(name, async (request) => this.#note(name, request))
    else app.addHook(name, async (request) => this.#note(name, request))
  }

  #note(hook: string, request: FastifyRequest): void {
    this.found.push(`${hook} ${whoOf(request)}: ${who()}`)
  }

  /** What all of them found, in no order. */
  async all(): Promise<string[]> {
    await until(() => this.found.length >= this.expected.length, 'all hooks')
    return this.found.toSorted()
  }
}

/** What a client of this name gets of the producer that tells whose request it is in. */
function saidTo(client: string, executor: string): RegExp {
  const found = executor === 'workers' ? 'null' : `"${client}"`
  return new RegExp(`^(event: ${client}\\ndata: {"at":"[0-9/]+","who":${found}}\\n\\n){4}$`)
}

describe.each(EXECUTORS)('on %s', (executor) => {
  test('pipelined requests each have their own', async () => {
    const testbed = await Testbed.make({ executor })
    const hooks = new Hooks(['context', 'clientKey', 'onSend', 'onOpen', 'onClose'])
    identify(testbed.app)
    hooks.watch(testbed.app, 'onSend')
    testbed.app.get('/', { sse: hooks.options }, async (_, reply) =>
      reply.sse(producers.identifying, { fails: false }),
    )
    const client = await testbed.connect()
    client.send(CLIENTS.map((name) => get('/', { 'x-who': name })).join(''))
    for (const [n, name] of CLIENTS.entries()) {
      expect((await client.response(n)).body).toMatch(saidTo(name, executor))
    }
    expect(await hooks.all()).toEqual(hooks.expected)
  })

  test('so have requests on one connection, one after the other', async () => {
    const testbed = await Testbed.make({ executor })
    const hooks = new Hooks()
    identify(testbed.app)
    testbed.app.get('/', { sse: hooks.options }, async (_, reply) =>
      reply.sse(producers.identifying, { fails: false }),
    )
    const client = await testbed.connect()
    for (const [n, name] of CLIENTS.entries()) {
      client.send(get('/', { 'x-who': name }))
      expect((await client.response(n)).body).toMatch(saidTo(name, executor))
    }
    expect(await hooks.all()).toEqual(hooks.expected)
  })

  test.each(Object.keys(SERVERS) as Protocol[])('so have clients of %s', async (protocol) => {
    const testbed = await Testbed.make({ executor }, SERVERS[protocol])
    const hooks = new Hooks()
    identify(testbed.app)
    testbed.app.get('/', { sse: hooks.options }, async (_, reply) =>
      reply.sse(producers.identifying, { fails: false }),
    )
    await testbed.app.listen({ port: 0, host: '127.0.0.1' })
    const url = origin(protocol, (testbed.app.server.address() as AddressInfo).port)
    const read = isHttp2(protocol) ? await bodiesOverHttp2(url) : await bodiesOverTls(url)
    for (const [n, name] of CLIENTS.entries()) expect(read[n]).toMatch(saidTo(name, executor))
    expect(await hooks.all()).toEqual(hooks.expected)
  })

  test('what a stream that another request closes does is done in its own', async () => {
    const testbed = await Testbed.make({ executor })
    const hooks = new Hooks(['context', 'clientKey', 'onOpen', 'onResponse', 'onClose'])
    identify(testbed.app)
    const members: EventStream[] = []
    testbed.app.register(async (app) => {
      hooks.watch(app, 'onResponse')
      const { onOpen } = hooks.options
      const options: SseRouteOptions = {
        ...hooks.options,
        onOpen: (stream, request) => {
          onOpen?.(stream, request)
          members.push(stream)
        },
      }
      app.get('/', { sse: options }, async (_, reply) => reply.sse(producers.holding, NEVER))
    })
    testbed.app.post('/close', async () => {
      for (const member of members) member.close()
      return 'closed'
    })
    const clients = CLIENTS.map(async (name) => testbed.request('/', { 'x-who': name }))
    await until(() => members.length === CLIENTS.length, 'all members')
    await testbed.request('/close', { 'x-who': 'somebody else' }, 'POST')
    await Promise.all(clients)
    expect(await hooks.all()).toEqual(hooks.expected)
  })
})

/** For a producer that waits to be told, and is not. */
const NEVER = { flags: new Int32Array(new SharedArrayBuffer(64)), word: '' }

describe.each(ON_THIS_THREAD)('on %s', (executor) => {
  test('when a client leaves, what the producer does about it is done in its request', async () => {
    const testbed = await Testbed.make({ executor })
    identify(testbed.app)
    const found: string[] = []
    testbed.app.get('/listener', { sse: true }, async (request, reply) =>
      reply.sse((stream) => {
        stream.signal.addEventListener('abort', () => found.push(`listener ${whoOf(request)}: ${who()}`))
        stream.send('open')
      }),
    )
    testbed.app.get('/finally', { sse: true }, async (request, reply) =>
      reply.sse(async function* (stream) {
        try {
          yield 'open'
          await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
        } finally {
          found.push(`finally ${whoOf(request)}: ${who()}`)
        }
      }),
    )
    testbed.app.get('/readable', { sse: true }, async (request, reply) =>
      reply.sse(() => {
        const readable = new Readable({
          objectMode: true,
          read() {},
          destroy: (error, done) => {
            found.push(`readable ${whoOf(request)}: ${who()}`)
            done(error)
          },
        })
        readable.push('open')
        return readable
      }),
    )
    const expected: string[] = []
    for (const name of CLIENTS) {
      for (const place of ['listener', 'finally', 'readable']) {
        expected.push(`${place} ${name}: ${name}`)
        const client = await testbed.ask(`/${place}`, { 'x-who': name })
        await client.including('open')
        client.destroy()
      }
    }
    await until(() => found.length >= expected.length, 'all to be told')
    expect(found.toSorted()).toEqual(expected.toSorted())
  })

  test('a follower of a history is told that it is behind in its own request, whoever has pushed', async () => {
    const testbed = await Testbed.make({ executor })
    identify(testbed.app)
    const history = new History({
      behind: ({ missed }) => ({ event: 'behind', data: { missed, who: who() } }),
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(history.follow('key')))
    testbed.app.post('/', async () => {
      history.push('key', 'pushed')
      history.delete('key')
      return 'done'
    })
    const clients = CLIENTS.map(async (name) =>
      testbed.request('/', { 'x-who': name, 'last-event-id': 'unknown' }),
    )
    await until(() => history.stats().waiting === CLIENTS.length, 'all followers')
    await testbed.request('/', { 'x-who': 'somebody else' }, 'POST')
    for (const [n, { body }] of (await Promise.all(clients)).entries()) {
      expect(body).toContain(`data: {"missed":null,"who":"${CLIENTS[n]}"}`)
    }
  })

  test('@fastify/request-context holds what its request has put there', async () => {
    const testbed = await Testbed.make({ executor })
    await testbed.app.register(requestContext)
    testbed.app.addHook('onRequest', async (request) => {
      request.requestContext.set('who' as never, whoOf(request) as never)
    })
    const own = (): string => String(testbed.app.requestContext.get('who' as never))
    const got = await bodiesOf(testbed, own)
    expect(got).toEqual(TWICE_THEIR_OWN)
  })

  test('OpenTelemetry’s active context is that of the request', async () => {
    const manager = new AsyncLocalStorageContextManager().enable()
    context.setGlobalContextManager(manager)
    onTestFinished(() => context.disable())
    const key = createContextKey('who')
    const testbed = await Testbed.make({ executor })
    testbed.app.addHook('onRequest', (request, _reply, done) => {
      context.with(context.active().setValue(key, whoOf(request)), done)
    })
    const own = (): string => String(context.active().getValue(key))
    const got = await bodiesOf(testbed, own)
    expect(got).toEqual(TWICE_THEIR_OWN)
  })
})

test('lines of a producer keep what is around them where it logs', async () => {
  const als = new AsyncLocalStorage<string>()
  const lines: { msg: string; span?: string }[] = []
  const testbed = await Testbed.make(
    {},
    {
      logger: {
        level: 'info',
        mixin: () => ({ span: als.getStore() }),
        stream: { write: (line: string) => void lines.push(JSON.parse(line)) },
      },
    },
  )
  testbed.app.addHook('onRequest', (_request, _reply, done) => als.run('request', done))
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => als.run('of its own', () => stream.log.info('from within'))),
  )
  await testbed.request('/')
  expect(lines).toContainEqual(expect.objectContaining({ msg: 'from within', span: 'of its own' }))
})

/** What each client gets of a producer that says twice what it finds, and lets others run in between. */
async function bodiesOf(testbed: Testbed, own: () => string): Promise<string[]> {
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async function* (): AsyncGenerator<EventInput> {
      yield own()
      await new Promise((resolve) => setImmediate(resolve))
      yield own()
    }),
  )
  const clients = CLIENTS.map(async (name) => testbed.request('/', { 'x-who': name }))
  return (await Promise.all(clients)).map(({ body }) => body)
}

const TWICE_THEIR_OWN = CLIENTS.map((name) => `data: ${name}\n\n`.repeat(2))

async function bodiesOverHttp2(url: string): Promise<string[]> {
  const client = await Http2Client.connect(url)
  const responses = CLIENTS.map((name) => client.open('/', { 'x-who': name }))
  const bodies = await Promise.all(responses.map(async (response) => (await response.over()).body))
  client.session.close()
  return bodies
}

const bodiesOverTls = async (url: string): Promise<string[]> =>
  Promise.all(CLIENTS.map(async (name) => bodyOverTls(url, name)))

async function bodyOverTls(url: string, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { rejectUnauthorized: false, agent: false, headers: { 'x-who': name } }
    const sent = requestTls(url, options, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => resolve(body))
    })
    sent.on('error', reject).end()
  })
}
