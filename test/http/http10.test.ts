import { connect, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { Executor, SseRouteOptions } from '../../src/index.ts'
import * as producers from '../../src/testing/producers.ts'
import { Testbed } from '../support/testbed.ts'
import { EXECUTORS } from '../support/executors.ts'

/** All that a client of HTTP/1.0 gets until its connection closes. */
async function get(testbed: Testbed, path: string, headers = ''): Promise<{ head: string; body: string }> {
  const { port } = testbed.app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.0\r\n${headers}\r\n`)
  const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
  return { head: head.toLowerCase(), body }
}

const full = (): Executor => ({
  admit: () => {
    throw new Error('no room')
  },
  run: () => {},
})

const CONTRADICTING = {
  'transfer-encoding': 'chunked',
  connection: 'keep-alive',
  'keep-alive': 'timeout=5',
  'content-length': '3',
}

describe.each(EXECUTORS)('HTTP/1.0 on %s', (executor) => {
  test.each(['', 'connection: keep-alive\r\n'])(
    'a body is bare, and its connection closes, whatever the handler and hooks say (client: %j)',
    async (headers) => {
      const testbed = await Testbed.make({ executor, executors: { full: full() } })
      const { app } = testbed
      app.addHook('onSend', async (request, reply) => {
        if (request.url === '/hook') reply.headers(CONTRADICTING)
      })
      app.get('/handler', { sse: true }, async (_, reply) =>
        reply.headers(CONTRADICTING).sse(producers.numbers, { count: 2 }),
      )
      app.get('/hook', { sse: true }, async (_, reply) => reply.sse(producers.numbers, { count: 2 }))
      app.get('/raw', { sse: true }, async (_, reply) => {
        for (const [name, value] of Object.entries(CONTRADICTING)) reply.raw.setHeader(name, value)
        return reply.sse(producers.numbers, { count: 2 })
      })
      app.get('/trailer', { sse: true }, async (_, reply) =>
        reply.trailer('x-sum', async () => '1').sse(producers.numbers, { count: 2 }),
      )
      const refused: SseRouteOptions = { executor: 'full', refusal: 'retry' }
      app.get('/refused', { sse: refused }, async (_, reply) =>
        reply.headers({ ...CONTRADICTING }).sse(producers.numbers, { count: 2 }),
      )
      await app.listen({ port: 0, host: '127.0.0.1' })
      for (const path of ['/handler', '/hook', '/raw', '/trailer', '/refused']) {
        const { head, body } = await get(testbed, path, headers)
        expect(`${path}: ${body}`).toMatch(/^.refused: retry: \d+\n$|^\S+: data: 0\n\ndata: 1\n\n$/)
        expect(head).not.toMatch(/transfer-encoding|content-length|keep-alive|trailer/)
      }
    },
  )
})
