/** The request, as its producer and its hooks have it: input, Last-Event-ID, context, log, async context. */
import assert from 'node:assert/strict'
import type { FastifyRequest } from 'fastify'
import type { SseRouteOptions } from '../../fastify/declarations.ts'
import { until } from '../flags.ts'
import * as producers from '../producers.ts'
import type { Promises } from './promises.ts'

export function requestContext(promises: Promises): void {
  promises.any('the producer gets its input and the Last-Event-ID', async (server) => {
    const input = { text: 'é', list: [1, { deep: null }] }
    const path = await server.route(producers.echoing, input)
    const headers = { 'last-event-id': Buffer.from('grün 7').toString('latin1') }
    const { body } = await server.receive(path, { headers })
    assert.equal(body, `event: grün 7\ndata: ${JSON.stringify(input)}\n\n`)
  })

  promises.any('the producer sees the context of its request, and logs with its id', async (server) => {
    const path = await server.route(producers.logging, undefined, { context: () => ({ tenant: { id: 7 } }) })
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const { body } = await server.receive(path, { headers: { traceparent } })
    const seen = JSON.parse(body.slice('data: '.length)) as { requestId: string }
    const { requestId } = seen
    assert.deepEqual(seen, { tenant: { id: 7 }, requestId, route: `GET ${path}`, traceparent })
    const own = server.lines.filter(({ reqId, by }) => reqId === requestId && by === 'producer')
    assert.deepEqual(
      own.map(({ level, msg, err }) => ({ level, msg, code: err?.code })),
      [
        { level: 30, msg: 'first', code: undefined },
        { level: 40, msg: 'second', code: undefined },
        { level: 50, msg: 'third', code: 'E_BAD' },
      ],
    )
  })

  promises.any(
    'a producer and all hooks find themselves in the async context of their request',
    async (server) => {
      /** What each hook found, and should have. */
      const found: { hook: string; expected: string; who: string | undefined }[] = []
      const look = (hook: string, request: FastifyRequest): void => {
        found.push({ hook, expected: whoOf(request), who: producers.identity.getStore() })
      }
      server.app.addHook('onRequest', (request, _reply, done) => {
        producers.identity.run(whoOf(request), done)
      })
      const options: SseRouteOptions = {
        context: (request) => ({ who: whoOf(request) }),
        onOpen: (_stream, request) => look('onOpen', request),
        onError: (_error, _stream, request) => look('onError', request),
        onClose: (_info, request) => look('onClose', request),
      }
      const ending = await server.route(producers.identifying, { fails: false }, options)
      const failing = await server.route(producers.identifying, { fails: true }, options)
      await server.listen()
      const clients = Array.from({ length: 10 }, async (_, n) => {
        const who = `client ${n}`
        const response = await fetch(server.url(n % 2 === 0 ? ending : failing), {
          headers: { 'x-who': who },
        })
        return { who, body: await response.text() }
      })
      for (const { who, body } of await Promise.all(clients)) {
        const events = body.split('\n\n').slice(0, -1)
        assert.equal(events.length, 4)
        for (const event of events) {
          const [, addressee, data] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? []
          assert.equal(addressee, who)
          const said = JSON.parse(data as string) as producers.Identified
          // Elsewhere a producer has its `stream.context`.
          assert.equal(said.who, said.at === producers.here ? who : null)
        }
      }
      await until(() => found.length === 25, 'all hooks')
      for (const { hook, expected, who } of found) assert.equal(who, expected, hook)
      // Lines of the log are written in that context too, for loggers that add something of it.
      const own = server.lines.filter(({ by }) => by === 'producer')
      assert.equal(own.length, 40)
      for (const { who, expected } of own) assert.equal(who, expected)
      const failures = server.lines.filter(({ msg }) => msg === 'event stream failed')
      assert.deepEqual(
        failures.map(({ who = '' }) => who).toSorted((a, b) => a.localeCompare(b)),
        [1, 3, 5, 7, 9].map((n) => `client ${n}`),
      )
    },
  )
}

const whoOf = (request: FastifyRequest): string => String(request.headers['x-who'])
