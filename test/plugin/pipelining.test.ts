import { expect, onTestFinished, test } from 'vitest'
import type { EventStream, Executor } from '../../src/index.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'
import { Gate } from '../support/gate.ts'

/** Streams that say their name and stay open until they are closed by it. */
class NamedStreams {
  readonly open = new Map<string, EventStream>()
  /** Names in the order in which their producers started. */
  readonly started: string[] = []

  route({ app }: Testbed): void {
    app.get<{ Params: { name: string } }>('/:name', { sse: true }, async ({ params: { name } }, reply) =>
      reply.sse((stream: EventStream) => {
        this.started.push(name)
        this.open.set(name, stream)
        stream.send(`hello from ${name}`)
      }),
    )
  }

  close(name: string): void {
    const stream = this.open.get(name)
    stream?.send(`goodbye from ${name}`)
    stream?.close()
  }
}

/** A server with such streams, and how many requests have come. */
async function counting(): Promise<{ testbed: Testbed; streams: NamedStreams; handled: () => number }> {
  const testbed = await Testbed.make()
  const streams = new NamedStreams()
  streams.route(testbed)
  let handled = 0
  testbed.app.addHook('onRequest', async () => void handled++)
  return { testbed, streams, handled: () => handled }
}

const executorNames = ['inline', 'microtask', 'deferred'] as const

test.each(executorNames)(
  'a pipelined stream is not started before those before it have ended (%s)',
  async (executor) => {
    const testbed = await Testbed.make({ executor })
    const streams = new NamedStreams()
    streams.route(testbed)
    const client = await testbed.connect()
    client.send(get('/a') + get('/b') + get('/c'))
    const admitted = (): number | undefined => testbed.app.sse.stats().executors[executor]?.admitted

    for (const [number, name] of ['a', 'b', 'c'].entries()) {
      await client.including(`hello from ${name}`, number)
      expect(client.responses).toHaveLength(number + 1)
      expect(streams.started).toEqual(['a', 'b', 'c'].slice(0, number + 1))
      expect(admitted()).toBe(number + 1)
      expect(testbed.app.sse.stats().routes['GET /:name']).toMatchObject({ open: 1, opened: number + 1 })
      streams.close(name)
      const { body } = await client.response(number)
      expect(body).toBe(`data: hello from ${name}\n\ndata: goodbye from ${name}\n\n`)
    }
    await testbed.idle()
    expect(testbed.closed.map(({ reason }) => reason)).toEqual(['ended', 'ended', 'ended'])
  },
)

test('other responses keep their place between streams', async () => {
  const testbed = await Testbed.make()
  const streams = new NamedStreams()
  streams.route(testbed)
  const slow = new Gate()
  testbed.app.get('/plain/slow', async () => {
    await slow.pass()
    return 'slow'
  })
  testbed.app.get('/plain/fast', async () => 'fast')
  const client = await testbed.connect()
  client.send(get('/plain/slow') + get('/a') + get('/plain/fast') + get('/b', {}, 'HEAD') + get('/c'))
  await slow.reached()
  expect(streams.started).toEqual([])
  slow.open()
  expect((await client.response(0)).body).toBe('slow')
  await client.including('hello from a', 1)
  expect(client.responses).toHaveLength(2)
  streams.close('a')
  expect((await client.response(2)).body).toBe('fast')
  expect((await client.response(3)).headers).toMatchObject({ 'content-type': 'text/event-stream' })
  await client.including('hello from c', 4)
  streams.close('c')
  await client.response(4)
  expect(streams.started).toEqual(['a', 'c'])
  await testbed.idle()
})

test('a client that leaves meanwhile leaves nothing counted, and starts nothing', async () => {
  const { testbed, streams, handled } = await counting()
  const client = await testbed.connect()
  client.send(get('/a') + get('/b') + get('/c'))
  await client.including('hello from a')
  await until(() => handled() === 3, 'all requests to be handled')
  client.destroy()
  expect((await testbed.closeInfo()).reason).toBe('client')
  await testbed.idle()
  // What waited is forgotten, so that a shutdown has nothing to wait for.
  await testbed.app.close()
  expect(streams.started).toEqual(['a'])
  expect(testbed.closed).toHaveLength(1)
  expect(testbed.app.sse.stats().executors['inline']).toMatchObject({ admitted: 1, refused: 0 })
})

test('the order of the answers does not depend on how long hooks take', async () => {
  const testbed = await Testbed.make()
  const streams = new NamedStreams()
  const gate = new Gate()
  testbed.app.addHook('onSend', async (request) => {
    if (request.url === '/a') await gate.pass()
  })
  streams.route(testbed)
  const client = await testbed.connect()
  client.send(get('/a') + get('/b'))
  await gate.reached()
  expect(streams.started).toEqual([])
  gate.open()
  await client.including('hello from a', 0)
  expect(streams.started).toEqual(['a'])
  streams.close('a')
  await client.including('hello from b', 1)
  streams.close('b')
  await client.response(1)
})

test('a connection carries one stream after another', async () => {
  const testbed = await Testbed.make()
  const streams = new NamedStreams()
  streams.route(testbed)
  const client = await testbed.connect()
  for (const [number, name] of ['a', 'b', 'c'].entries()) {
    client.send(get(`/${name}`))
    await client.including(`hello from ${name}`, number)
    streams.close(name)
    await client.response(number)
  }
  await testbed.idle()
  expect(client.socket.destroyed).toBe(false)
})

test('a shutdown starts no stream that waited for its turn', async () => {
  const testbed = await Testbed.make({ graceMs: 600_000 })
  const streams = new NamedStreams()
  streams.route(testbed)
  const client = await testbed.connect()
  client.send(get('/a') + get('/b'))
  await client.including('hello from a')
  await until(() => testbed.app.sse.stats().routes['GET /:name']?.open === 1, 'the first')
  await testbed.app.close()
  expect(streams.started).toEqual(['a'])
  expect((await testbed.closeInfo()).reason).toBe('shutdown')
  expect(testbed.counted).toBe(0)
})

test('a shutdown starts no stream whose head a hook held back', async () => {
  let closing = false
  const own: Executor = {
    run: (task) => void task.produce(),
    close: () => {
      closing = true
    },
  }
  const testbed = await Testbed.make({ graceMs: 600_000, executor: 'own', executors: { own } })
  const streams = new NamedStreams()
  const gate = new Gate()
  testbed.app.addHook('onSend', async () => gate.pass())
  streams.route(testbed)
  const client = await testbed.ask('/a')
  await gate.reached()
  const closed = testbed.app.close()
  await until(() => closing, 'the shutdown to begin')
  gate.open()
  expect((await client.response()).body).toMatch(/^: .+\nretry: \d+\n$/)
  await closed
  expect(streams.started).toEqual([])
  expect((await testbed.closeInfo()).reason).toBe('shutdown')
  expect(testbed.counted).toBe(0)
})

test('any number of them may wait on one connection, and all of them hear that it closes', async () => {
  const warnings: Error[] = []
  const warn = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warn)
  onTestFinished(() => void process.removeListener('warning', warn))
  const { testbed, streams, handled } = await counting()
  const client = await testbed.connect()
  const names = Array.from({ length: 40 }, (_, n) => `s${n}`)
  client.send(names.map((name) => get(`/${name}`)).join(''))
  await client.including('hello from s0')
  streams.close('s0')
  await client.including('hello from s1', 1)
  await until(() => handled() === names.length, 'all requests')
  client.destroy()
  await testbed.closeInfo(1)
  await testbed.idle()
  await testbed.app.close()
  expect(streams.started).toEqual(['s0', 's1'])
  expect(warnings).toEqual([])
})
