import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import headfirst, { type RouteOptions } from '../../src/index.ts'
import { numbers } from '../../src/testing/producers.ts'
import { get, type Received } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { EXECUTORS } from '../support/executors.ts'

const EVENTS = 'data: 0\n\ndata: 1\n\n'
/** A route that streams, for clients that accept it; those who do not must not start its producer. */
async function serve(options: RouteOptions = {}): Promise<Testbed> {
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: options }, async (_, reply) => reply.sse(numbers, { count: 2 }))
  return testbed
}

/** A route that answers JSON or events. */
function dual(app: FastifyInstance, path: string, over?: string | readonly string[]): void {
  app.get(path, { sse: true }, async (request, reply) =>
    request.prefersEventStream(over) ? reply.sse(numbers, { count: 2 }) : { events: 2 },
  )
}

const post = (path: string, body: string, headers: Record<string, string> = {}): string =>
  get(
    path,
    { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers },
    'POST',
  ) + body

/** A request with several headers of that name. */
const accepting = (...values: string[]): string =>
  ['GET / HTTP/1.1', 'host: x', ...values.map((value) => `accept: ${value}`), '', ''].join('\r\n')

describe.each(EXECUTORS)('on %s', (executor) => {
  test.each([{}, { accept: 'text/event-stream' }, { accept: '*/*' }, { accept: 'text/*;q=0.1' }])(
    'a stream for a client with %j',
    async (headers: Record<string, string>) => {
      const testbed = await serve({ executor })
      const response = await testbed.request('/', headers)
      expect(response).toMatchObject({ status: 200, body: EVENTS, headers: { vary: 'Accept' } })
      expect((await testbed.closeInfo()).reason).toBe('ended')
    },
  )

  test('406 for a client that accepts no stream: nothing runs, opens, closes or counts', async () => {
    const opened: unknown[] = []
    const testbed = await serve({ executor, onOpen: () => opened.push(1) })
    for (const accept of ['application/json', 'text/event-stream;q=0', 'text/html, image/*;q=0.8', 'bad']) {
      const { status, headers, body } = await testbed.request('/', { accept })
      expect(status).toBe(406)
      expect(headers).toMatchObject({ 'content-type': 'application/json; charset=utf-8', vary: 'Accept' })
      expect(JSON.parse(body)).toEqual({
        statusCode: 406,
        code: 'HF_ERR_NOT_ACCEPTABLE',
        error: 'Not Acceptable',
        message: expect.stringContaining(`Route GET / offers text/event-stream`) as string,
      })
      expect((JSON.parse(body) as { message: string }).message).toContain(`its Accept header is "${accept}"`)
    }
    await testbed.idle()
    expect({ opened, closed: testbed.closed, logged: testbed.logged }).toEqual({
      opened: [],
      closed: [],
      logged: [],
    })
    const { executors, routes } = testbed.app.sse.stats()
    expect(executors[executor]).toMatchObject({ admitted: 0, refused: 0, running: 0, waiting: 0 })
    expect(routes['GET /']).toMatchObject({ open: 0, opened: 0, closed: {} })
  })

  test('accept "ignore" looks at no header', async () => {
    const testbed = await serve({ executor, accept: 'ignore' })
    const { status, headers, body } = await testbed.request('/', { accept: 'application/json' })
    expect({ status, body }).toEqual({ status: 200, body: EVENTS })
    expect(headers).not.toHaveProperty('vary')
  })

  test('one route answers JSON or events by the header', async () => {
    const testbed = await Testbed.make({ executor })
    dual(testbed.app, '/')
    const events = await testbed.request('/', { accept: 'text/event-stream, application/json;q=0.9' })
    expect(events).toMatchObject({ status: 200, body: EVENTS })
    expect(events.headers).toMatchObject({ 'content-type': 'text/event-stream', vary: 'Accept' })
    for (const accept of ['application/json', 'application/json, text/event-stream', '*/*', 'image/png']) {
      const json = await testbed.request('/', { accept })
      expect(json).toMatchObject({ status: 200, body: '{"events":2}' })
      expect(json.headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        vary: 'Accept',
      })
    }
    expect((await testbed.request('/')).body).toBe('{"events":2}')
    await testbed.idle()
    expect(testbed.closed).toHaveLength(1)
  })

  test('one route answers JSON or events by the body, as LLM APIs do', async () => {
    const testbed = await Testbed.make({ executor })
    testbed.app.post<{ Body: { stream?: boolean } }>(
      '/completions',
      { sse: { accept: 'ignore' } },
      async (request, reply) => (request.body.stream ? reply.sse(numbers, { count: 2 }) : { events: 2 }),
    )
    const client = await testbed.connect()
    const accept = { accept: 'application/json' }
    client.send(post('/completions', '{"stream":true}', accept))
    expect(await client.response(0)).toMatchObject({ status: 200, body: EVENTS })
    client.send(post('/completions', '{"stream":false}', accept))
    expect(await client.response(1)).toMatchObject({ status: 200, body: '{"events":2}' })
    expect(client.responses[1]?.headers).not.toHaveProperty('vary')
  })
})

test('several Accept headers count as one', async () => {
  const testbed = await serve()
  const client = await testbed.connect()
  client.send(accepting('application/json', 'text/event-stream'))
  expect(await client.response(0)).toMatchObject({ status: 200, body: EVENTS })
  client.send(accepting('text/event-stream;q=0', '*/*'))
  expect((await client.response(1)).status).toBe(406)
  client.send(accepting('application/json', 'text/html'))
  expect((await client.response(2)).status).toBe(406)
})

test('what is no text in a header is answered, and escaped', async () => {
  const testbed = await serve()
  const { status, body } = await testbed.request('/', { accept: '\u00e9"\\/\u0080<script>' })
  expect(status).toBe(406)
  expect((JSON.parse(body) as { code: string }).code).toBe('HF_ERR_NOT_ACCEPTABLE')
})

test('the error handler sees the 406, after what the handler has set', async () => {
  const testbed = await Testbed.make()
  testbed.app.setErrorHandler((error, _request, reply) => {
    const { code, statusCode } = error as { code: string; statusCode: number }
    void reply.code(statusCode).header('x-code', code).send({ sorry: code })
  })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.header('x-handler', '1').sse(numbers, { count: 2 }),
  )
  const { status, headers, body } = await testbed.request('/', { accept: 'image/png' })
  expect({ status, body }).toEqual({ status: 406, body: '{"sorry":"HF_ERR_NOT_ACCEPTABLE"}' })
  expect(headers).toMatchObject({ 'x-code': 'HF_ERR_NOT_ACCEPTABLE', 'x-handler': '1', vary: 'Accept' })
})

test('a handler without a promise gets the 406 as well, and so does a HEAD request', async () => {
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: true }, (_, reply) => {
    setImmediate(() => void reply.sse(numbers, { count: 2 }))
  })
  expect((await testbed.request('/', { accept: 'image/png' })).status).toBe(406)
  const head = await testbed.request('/', { accept: 'image/png' }, 'HEAD')
  expect(head).toMatchObject({ status: 406, body: '', headers: { vary: 'Accept' } })
  expect((await testbed.request('/', { accept: 'text/*' }, 'HEAD')).status).toBe(200)
})

test('the connection of a 406 carries the next stream', async () => {
  const testbed = await serve()
  const client = await testbed.connect()
  client.send(get('/', { accept: 'image/png' }) + get('/'))
  expect((await client.response(0)).status).toBe(406)
  expect((await client.response(1)).body).toBe(EVENTS)
})

test('a 204 has nothing that must be accepted', async () => {
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.code(204).sse(numbers, { count: 2 }))
  expect((await testbed.request('/', { accept: 'image/png' })).status).toBe(204)
})

test.each([
  ['Origin', 'Origin, Accept'],
  ['accept', 'accept'],
  ['*', '*'],
])('Vary: %s becomes %s, whichever branch is taken, and however often it is asked', async (set, expected) => {
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: true }, async (request, reply) => {
    void reply.header('vary', set)
    request.prefersEventStream('text/html')
    return request.prefersEventStream() ? reply.sse(numbers, { count: 2 }) : {}
  })
  expect((await testbed.request('/', { accept: 'text/event-stream' })).headers['vary']).toBe(expected)
  expect((await testbed.request('/', { accept: 'application/json' })).headers['vary']).toBe(expected)
})

test('prefersEventStream() works on any route, above and below a nested registration, and on errors', async () => {
  const testbed = await Testbed.make()
  const { app } = testbed
  app.get('/plain', async (request) => ({ events: request.prefersEventStream() }))
  app.get('/untouched', async () => ({}))
  app.get('/failing', async (request) => {
    request.prefersEventStream()
    throw new Error('no')
  })
  app.setNotFoundHandler(async (request, reply) =>
    reply.code(404).send({ events: request.prefersEventStream() }),
  )
  await app.register(async (child) => {
    await child.register(headfirst, { heartbeatMs: 0 })
    dual(child, '/nested')
    await child.register(async (grandchild) => dual(grandchild, '/below', ['text/html', 'image/png']))
  })
  const accept = { accept: 'text/event-stream' }
  const request = async (path: string): Promise<Received> => testbed.request(path, accept)
  expect(await request('/plain')).toMatchObject({ body: '{"events":true}', headers: { vary: 'Accept' } })
  expect(await request('/nowhere')).toMatchObject({ body: '{"events":true}', headers: { vary: 'Accept' } })
  expect(await request('/failing')).toMatchObject({ status: 500, headers: { vary: 'Accept' } })
  expect((await request('/untouched')).headers).not.toHaveProperty('vary')
  for (const path of ['/nested', '/below']) {
    expect(await request(path)).toMatchObject({ body: EVENTS, headers: { vary: 'Accept' } })
    expect((await testbed.request(path)).body).toBe('{"events":2}')
  }
})

test.each([[''], ['json'], ['*/*'], [[]], [['text/html', 5]], [null]])(
  'prefersEventStream(%j) is an error that says what it takes',
  async (over) => {
    const testbed = await Testbed.make()
    dual(testbed.app, '/', over as string)
    const { status, body } = await testbed.request('/')
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ code: 'HF_ERR_OPTION_INVALID' })
    expect(body).toContain('a media type without wildcards')
  },
)

test.each(['Strict', true, null])('accept: %j is refused when the route is declared', async (accept) => {
  const testbed = await Testbed.make()
  expect(() => testbed.app.get('/', { sse: { accept: accept as 'strict' } }, async () => {})).toThrow(
    `Option "accept" in route GET / must be 'strict' or 'ignore'`,
  )
})
