/** An executor whose producers run in another process, over TCP: a link of bytes, which may break anywhere. */
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../../../src/testing/flags.ts'
import { executorContract } from '../../../src/testing/index.ts'
import * as producers from '../../../src/testing/producers.ts'
import { get } from '../../support/raw-client.ts'
import { Testbed } from '../../support/testbed.ts'
import * as farProducers from './far-end-producers.ts'
import { FarServer } from './tcp-server-process.ts'
import { OverTcp } from './tcp-executor.ts'

let far: FarServer
beforeAll(async () => void (far = await FarServer.start()))
afterAll(async () => far.kill())

executorContract('over TCP', () => new OverTcp(() => far.port), test, { sharedMemory: false })

/** Passes on so many bytes of each link, then breaks it, in the middle of whatever it is. */
async function breakingProxy(toFar: number, toNear: number): Promise<{ port: number; broken: () => number }> {
  let broken = 0
  const server: Server = createServer((near) => {
    const link = connect(far.port, '127.0.0.1')
    for (const [from, to, bytes] of [
      [near, link, toFar],
      [link, near, toNear],
    ] as const) {
      let left = bytes
      from.on('data', (chunk: Buffer) => {
        const part = chunk.subarray(0, left)
        left -= part.length
        to.write(part)
        if (left > 0) return
        broken++
        near.end()
        link.end()
        from.removeAllListeners('data').resume()
      })
      from.on('error', () => {})
      from.on('close', () => to.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, broken: () => broken }
}

async function bedOf(port: () => number): Promise<Testbed> {
  const testbed = await Testbed.everywhere({ executor: 'tcp', executors: { tcp: new OverTcp(port) } })
  testbed.route('/numbers', producers.numbers, { count: 20_000 })
  testbed.route('/endless', farProducers.endless, undefined)
  return testbed
}

/** The events of `/numbers` up to any of them, whole. */
const expectWholeEvents = (body: string): void => {
  const events = body.split('\n\n')
  expect(events.pop()).toBe('')
  expect(events).toEqual(events.map((_, n) => `data: ${n}`))
}

describe('a link that breaks', () => {
  test.each([
    ['in the length of the first frame', Infinity, 2],
    ['in the first frame', Infinity, 20],
    ['amid the frames', Infinity, 30_001],
    ['in the order', 50, Infinity],
  ])('%s: the stream is lost, after whole events', async (_, toFar, toNear) => {
    const proxy = await breakingProxy(toFar, toNear)
    const testbed = await bedOf(() => proxy.port)
    const { body, complete } = await testbed.request('/numbers')
    expect(proxy.broken()).toBe(1)
    expect(complete).toBe(true)
    expectWholeEvents(body)
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'lost' })
    await testbed.idle()
    await until(() => far.open === 0, 'the producer to end')
  })

  test('amid the reports of a client that reads: the stream is lost, and its producer ends', async () => {
    const proxy = await breakingProxy(2_000, Infinity)
    const testbed = await bedOf(() => proxy.port)
    const { body } = await testbed.request('/endless')
    expect(body.length).toBeGreaterThan(65_536)
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'lost' })
    await until(() => far.open === 0, 'the producer to end')
  })
})

test('a far end that starts again loses the streams it had, and gets those that follow', async () => {
  let second: FarServer | undefined
  const first = await FarServer.start()
  const testbed = await bedOf(() => (second ?? first).port)
  const clients = []
  for (let n = 0; n < 20; n++) {
    const client = await testbed.connect()
    client.send(get('/endless'))
    clients.push(client)
  }
  for (const client of clients) await client.including('data: x')
  second = await FarServer.start()
  onTestFinished(async () => second?.kill())
  await first.kill()
  for (const client of clients) expect((await client.response()).complete).toBe(true)
  expect(testbed.app.sse.stats().executors['tcp']).toMatchObject({ running: 0, waiting: 0, lost: 20 })
  const { body } = await testbed.request('/numbers')
  expect(body.endsWith('data: 19999\n\n')).toBe(true)
})

test('a client that leaves ends its producer, and no other', async () => {
  const testbed = await bedOf(() => far.port)
  const clients = []
  for (let n = 0; n < 10; n++) {
    const client = await testbed.connect()
    client.send(get('/endless'))
    clients.push(client)
  }
  await until(() => far.open === 10, 'all of them')
  for (const client of clients.slice(0, 4)) client.socket.destroy()
  await until(() => far.open === 6, 'some of them')
  for (const client of clients.slice(4)) client.socket.destroy()
  await until(() => far.open === 0, 'none')
  await testbed.idle()
  expect(testbed.app.sse.stats().executors['tcp']).toMatchObject({ admitted: 10, lost: 0 })
})
