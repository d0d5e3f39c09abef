import type { FastifyRequest } from 'fastify'
import { describe, expect, test } from 'vitest'
import headfirst from '../../src/index.ts'
import { until } from '../../src/testing/flags.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { open } from '../support/producers/closures.ts'
import { turn } from '../support/waiting.ts'

describe('after the head', () => {
  test('onResponse runs when the response has finished, after the last event', async () => {
    const testbed = await Testbed.make()
    const order: string[] = []
    testbed.app.addHook('onResponse', async (_, reply) => {
      order.push(`onResponse ${reply.statusCode}`)
    })
    testbed.app.addHook('onRequestAbort', (_request, done) => {
      order.push('onRequestAbort')
      done()
    })
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async (stream) => {
        stream.send('one')
        await turn()
        order.push('producer')
      }),
    )
    await testbed.request('/')
    await testbed.closeInfo()
    expect(order).toEqual(['producer', 'onResponse 200'])
  })

  test('onRequestAbort runs when the client has left', async () => {
    const testbed = await Testbed.make()
    const ran: string[] = []
    testbed.app.addHook('onResponse', async () => {
      ran.push('onResponse')
    })
    testbed.app.addHook('onRequestAbort', (_request, done) => {
      ran.push('onRequestAbort')
      done()
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(open))
    const client = await testbed.ask('/')
    await client.including('open')
    client.destroy()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await until(() => ran.length > 0, 'onRequestAbort')
    expect(ran).toEqual(['onRequestAbort'])
    await testbed.idle()
  })

  describe.each([
    ['with a logger', {}],
    ['without a logger', { logger: false }],
    ['with a handlerTimeout', { handlerTimeout: 600_000 }],
  ])('request.signal (%s)', (_, server) => {
    test.each(['handler', 'onOpen', 'producer'])('asked for in the %s', async (place) => {
      const testbed = new Testbed(server)
      const signals: AbortSignal[] = []
      const ask = (where: string, request: FastifyRequest): void => {
        if (where === place) signals.push(request.signal)
      }
      await testbed.app.register(headfirst, {
        onOpen: (_stream, request) => ask('onOpen', request),
        onClose: testbed.record,
      })
      testbed.app.get('/:how', { sse: true }, async (request, reply) => {
        ask('handler', request)
        return reply.sse((stream) => {
          ask('producer', request)
          stream.send('open')
          if (request.url === '/end') stream.close()
        })
      })

      const leaving = await testbed.ask('/stay')
      await leaving.including('open')
      expect(signals.map(({ aborted }) => aborted)).toEqual([false])
      leaving.destroy()
      await until(() => signals[0]?.aborted === true, 'the signal to abort when the client leaves')
      expect((await testbed.closeInfo(0)).reason).toBe('client')

      // One that ends well, on a connection that is used again and then closed.
      const staying = await testbed.ask('/end')
      await staying.response(0)
      expect((await testbed.closeInfo(1)).reason).toBe('ended')
      staying.send(get('/end'))
      await staying.response(1)
      await testbed.closeInfo(2)
      staying.destroy()
      await testbed.idle()
      await turn()
      await turn()
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, false, false])
    })
  })

  test('a handlerTimeout does not cut a stream', async () => {
    const timeout = 50
    const testbed = await Testbed.make({}, { handlerTimeout: timeout })
    let signal: AbortSignal | undefined
    testbed.app.get('/', { sse: true }, async (request, reply) => {
      ;({ signal } = request)
      return reply.sse(async (stream) => {
        stream.send('first')
        // A timer that is set later, for longer, fires later.
        await new Promise((resolve) => setTimeout(resolve, timeout * 2))
        stream.send('last')
      })
    })
    const { body, complete } = await testbed.request('/')
    expect({ body, complete }).toEqual({ body: 'data: first\n\ndata: last\n\n', complete: true })
    expect((await testbed.closeInfo()).reason).toBe('ended')
    expect(signal?.aborted).toBe(false)
    expect(testbed.logged).toEqual([])
  })

  test('trailers arrive after the last event', async () => {
    const testbed = await Testbed.make()
    let sent = 0
    testbed.app.get('/', { sse: true }, async (_, reply) => {
      reply.trailer('x-events', async () => String(sent))
      return reply.sse(async function* () {
        for (; sent < 3; sent++) {
          await turn()
          yield `event ${sent}`
        }
      })
    })
    const { headers, body, trailers } = await testbed.request('/')
    expect(headers['trailer']).toBe('x-events')
    expect(body).toBe('data: event 0\n\ndata: event 1\n\ndata: event 2\n\n')
    expect(trailers).toEqual({ 'x-events': '3' })
    expect((await testbed.closeInfo()).reason).toBe('ended')
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('trailers do not get lost with an error of the producer', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply
        .trailer('x-end', async () => 'here')
        .sse(async () => {
          throw new Error('in the middle')
        }),
    )
    expect(await testbed.request('/')).toMatchObject({ body: '', trailers: { 'x-end': 'here' } })
    expect((await testbed.closeInfo()).reason).toBe('error')
  })

  test('a client that leaves a stream with trailers is counted out', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.trailer('x-end', async () => 'here').sse(open),
    )
    const client = await testbed.ask('/')
    await client.including('open')
    client.destroy()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
  })

  test('an error of the handler after reply.sse() leaves the stream alone', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) => {
      reply.sse(async (stream) => {
        stream.send('one')
        await turn()
        stream.send('two')
      })
      throw new Error('too late')
    })
    const { status, body } = await testbed.request('/')
    expect({ status, body }).toEqual({ status: 200, body: 'data: one\n\ndata: two\n\n' })
    await testbed.idle()
  })
})
