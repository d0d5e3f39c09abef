import type { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { EventStream } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Sends one event and stays open. */
const open = (stream: EventStream): void => {
  stream.send('open')
}

test('an open stream does not hold the payload that its head was sent with', async () => {
  const testbed = await Testbed.make({}, { logger: false })
  const payloads: WeakRef<Readable>[] = []
  testbed.app.addHook<Readable>('onSend', async (_request, _reply, payload) => {
    payloads.push(new WeakRef(payload))
  })
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(open))
  const client = await testbed.ask('/')
  await client.including('open')
  expect(payloads).toHaveLength(1)
  await until(() => {
    collectGarbage()
    return payloads[0]?.deref() === undefined
  }, 'the payload to be collected')
  expect(testbed.closed).toEqual([])
  client.destroy()
  await testbed.idle()
})

test('what hooks listen to, on the payload and on the response, they hear', async () => {
  const testbed = await Testbed.make()
  const heard: string[] = []
  testbed.app.addHook<Readable>('onSend', async (_request, reply, payload) => {
    reply.raw.on('close', () => heard.push('response closes'))
    payload.on('end', () => heard.push('payload ends'))
    reply.raw.once('finish', () => heard.push('response finishes'))
  })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => {
      stream.send('one')
    }),
  )
  await testbed.request('/')
  await testbed.idle()
  await until(() => heard.length === 3, 'all events')
  expect(heard.toSorted()).toEqual(['payload ends', 'response closes', 'response finishes'])
})

test('an error of the response ends its stream, and nothing else', async () => {
  const testbed = await Testbed.make({}, { logger: false })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse((stream) => {
      stream.send('open')
      reply.raw.destroy(new Error('a fault of the connection'))
      reply.raw.emit('error', new Error('a fault of the response'))
    }),
  )
  const client = await testbed.ask('/')
  expect((await testbed.closeInfo()).reason).toBe('client')
  await testbed.idle()
  client.destroy()
})
