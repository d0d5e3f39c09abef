import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import type { EventStream } from '../../src/index.ts'
import { blockUntil, Flag, makeFlags } from '../../src/testing/flags.ts'
import { Observer } from '../../src/testing/observer.ts'
import { Testbed } from '../support/testbed.ts'

test('flush "event": each event has left before send() returns, each in a write of its own', async () => {
  const testbed = await Testbed.make()
  const flags = makeFlags()
  const seen: boolean[] = []
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream: EventStream) => {
      for (let number = 1; number <= 3; number++) {
        stream.send(`${number}`)
        // Nothing else moves on this thread until the client, on one of its own, has it.
        seen.push(blockUntil(flags, Flag.EVENTS, number))
      }
    }),
  )
  const port = await testbed.listen()
  const observer = new Observer(port, '/', { flags })
  expect((await observer.over()).body).toBe('data: 1\n\ndata: 2\n\ndata: 3\n\n')
  expect(seen).toEqual([true, true, true])
})

test('flush "tick": what a turn sends leaves in one write', async () => {
  const testbed = await Testbed.make({ flush: 'tick' })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream: EventStream) => {
      stream.send('1')
      stream.comment('still')
      stream.send('2')
      await stream.ready()
      stream.send('3')
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
      stream.send('4')
    }),
  )
  const { chunks } = await testbed.request('/')
  expect(chunks).toEqual(['data: 1\n\n: still\ndata: 2\n\ndata: 3\n\n', 'data: 4\n\n'])
})

test('a client of HTTP/1.0 gets the bare events, and the end of the connection', async () => {
  const testbed = await Testbed.make({ retryMs: 5 })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(function* () {
      yield 'one'
      yield 'two'
    }),
  )
  await testbed.app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((testbed.app.server.address() as AddressInfo).port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (received: string) => (text += received))
  socket.write('GET / HTTP/1.0\r\n\r\n')
  await once(socket, 'close')
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(text).not.toMatch(/transfer-encoding/i)
  expect(text.split('\r\n\r\n')[1]).toBe('retry: 5\ndata: one\n\ndata: two\n\n')
  expect((await testbed.closeInfo()).reason).toBe('ended')
})
