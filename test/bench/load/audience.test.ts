import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Audience } from '../../../bench/load/audience.ts'
import { nowMs } from '../../../profiler/clock.ts'

const BYTES = 58
const stamped = (number: number): string =>
  `data: ${`${number} ${process.hrtime.bigint()} `.padEnd(BYTES - 8, '.')}\n\n`

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** A server whose streams stay open, and an audience for them. */
async function opened(
  streams: number,
  place = 0,
): Promise<{ audience: Audience; responses: ServerResponse[]; from: (string | undefined)[] }> {
  const responses: ServerResponse[] = []
  const from: (string | undefined)[] = []
  const port = await listening(
    createServer((request, response) => {
      from.push(request.socket.remoteAddress)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      responses.push(response)
    }),
  )
  const shape = { bytes: BYTES, stamped: true }
  const audience = new Audience({ port, path: '/', events: undefined, shape }, place)
  for (let count = 0; count < streams; count++) await audience.open()
  return { audience, responses, from }
}

async function listening(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** What has come once so many events have. */
async function heard(audience: Audience, events: number): Promise<{ events: number; latencies: number }> {
  const sum = { events: 0, latencies: 0 }
  while (sum.events < events) {
    await new Promise((resolve) => setImmediate(resolve))
    const { events: more, latenciesMs } = audience.heard()
    sum.events += more
    sum.latencies += latenciesMs.length
  }
  return sum
}

test('what comes on all streams is told once, with how long it took', async () => {
  const { audience, responses } = await opened(3)
  expect(audience.size).toBe(3)
  const beganMs = nowMs()
  for (const response of responses) response.write(stamped(0))
  expect(await heard(audience, 3)).toEqual({ events: 3, latencies: 3 })
  responses[0]?.write(stamped(1))
  expect(await heard(audience, 1)).toEqual({ events: 1, latencies: 1 })
  expect(audience.heard()).toEqual({ events: 0, latenciesMs: new Float64Array() })
  expect(nowMs()).toBeGreaterThan(beganMs)
})

test('when the server has ended them all, what had come is told in all', async () => {
  const { audience, responses } = await opened(2)
  const over = audience.over()
  responses[0]?.end(stamped(0))
  responses[1]?.end(stamped(0) + stamped(2))
  expect(await over).toEqual({ streams: 2, outcomes: { good: 2 }, events: 3, bytes: 3 * BYTES, holes: 1 })
})

test('a stream that breaks is over too', async () => {
  const { audience, responses } = await opened(2)
  const over = audience.over()
  responses[0]?.end(stamped(0))
  responses[1]?.destroy()
  const { streams, outcomes } = await over
  expect({ streams, outcomes }).toEqual({ streams: 2, outcomes: { good: 1, truncated: 1 } })
})

test('one that does not come to its head cannot be held', async () => {
  const port = await listening(createServer((_, response) => response.writeHead(503).end()))
  const audience = new Audience({ port, path: '/', events: undefined }, 0)
  await expect(audience.open()).rejects.toThrow('A stream that was to stay open is over: status')
  expect(audience.size).toBe(0)
})

test.runIf(process.platform === 'linux')('each generator has addresses of its own', async () => {
  expect((await opened(1, 0)).from).toEqual(['127.0.0.1'])
  expect((await opened(1, 2)).from).toEqual(['127.0.0.9'])
})

test('when it leaves, none is open any more', async () => {
  const { audience, responses } = await opened(2)
  const closed = responses.map(async (response) => new Promise((resolve) => response.on('close', resolve)))
  audience.leave()
  expect(audience.size).toBe(0)
  await Promise.all(closed)
})
