import { describe, expect, test } from 'vitest'
import headfirst, { workers, type EventStream } from '../../src/index.ts'
import { Flag, makeFlags, until } from '../../src/testing/flags.ts'
import { DecodingClient } from '../support/decoding-client.ts'
import { Testbed } from '../support/testbed.ts'
import { blocking } from './overflow-producers.ts'
import { serve, numbersIn, FRAME_BYTES } from './overflow-streams.ts'

describe('block, on workers', () => {
  test('a producer waits in place, and nothing is dropped', async () => {
    const flags = makeFlags()
    const [count, size] = [2_000, 10_000]
    const maxBuffered = 100_000
    const { testbed, watched } = await serve(
      workers({ threads: 1, niceIncrement: 0 }),
      blocking,
      { flags, count, size },
      { maxBuffered, overflow: 'block' },
    )
    const client = await DecodingClient.open(testbed, '/', { paused: true })
    Atomics.store(flags, Flag.HEAD, 1)
    Atomics.notify(flags, Flag.HEAD)
    await until(() => watched.buffered() > maxBuffered - 2 * size, 'the producer to wait')
    expect(Atomics.load(flags, Flag.SEEN)).toBeLessThan(count)
    client.read()
    await client.over()
    expect(numbersIn(client)).toEqual(Array.from({ length: count }, (_, number) => number))
    expect(watched.most).toBeLessThanOrEqual(maxBuffered + size + FRAME_BYTES)
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: count, dropped: 0 })
  })
})

describe('what one turn of the loop sends to a client that keeps up', () => {
  test.each([
    ['close', 'tick'],
    ['drop-oldest', 'tick'],
    [{ latest: 'event' }, 'tick'],
    ['drop-oldest', 'event'],
  ] as const)('is no overflow, however small the bound (%o, flush "%s")', async (overflow, flush) => {
    const testbed = await Testbed.make({ flush, overflow, highWaterMark: 0, maxBuffered: 100, retryMs: 3 })
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async (stream: EventStream) => {
        for (let number = 0; number < 500; number++) stream.send(`${number}`)
      }),
    )
    const { body } = await testbed.request('/')
    expect(body).toBe(`retry: 3\n${Array.from({ length: 500 }, (_, n) => `data: ${n}\n\n`).join('')}`)
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 500, dropped: 0 })
  })
})

describe('options', () => {
  test.each<[string, unknown]>([
    ['overflow', 'drop-newest'],
    ['overflow', { latest: 'name' }],
    ['overflow', { latest: 'event', oldest: true }],
    ['overflow', {}],
    ['overflow', null],
    ['overflow', ['latest']],
    ['overflow', true],
    ['compress', 'gzip'],
    ['compress', 1],
    ['compress', null],
    ['compress', {}],
    ['compress', { encodings: [] }],
    ['compress', { encodings: 'gzip' }],
    ['compress', { encodings: ['gzip', 'deflate'] }],
    ['compress', { encodings: ['GZIP'] }],
    ['compress', { encodings: ['gzip'], level: 9 }],
    ['compress', ['gzip']],
  ])('%s: %j is refused, for a route and for all', async (name, value) => {
    const error = expect.objectContaining({
      code: 'HF_ERR_OPTION_INVALID',
      message: expect.stringContaining(`"${name}"`) as string,
    }) as Error
    const testbed = await Testbed.make()
    expect(() => testbed.app.get('/', { sse: { [name]: value } }, () => {})).toThrow(error)
    const { app } = new Testbed()
    await expect(app.register(headfirst, { [name]: value })).rejects.toThrow(error)
  })

  test.each(['inline', 'microtask', 'deferred'] as const)('block is refused on %s', async (executor) => {
    const testbed = await Testbed.make()
    expect(() => testbed.app.get('/', { sse: { executor, overflow: 'block' } }, () => {})).toThrow(
      /"overflow".*no thread to spare/,
    )
  })

  test('what is known is taken, also what this Node cannot make', async () => {
    const testbed = await Testbed.make({ compress: true, overflow: 'drop-oldest' })
    testbed.app.get('/a', { sse: { compress: { encodings: ['zstd', 'br', 'gzip'] } } }, () => {})
    testbed.app.get('/b', { sse: { compress: false, overflow: { latest: 'id' } } }, () => {})
    testbed.app.get('/c', { sse: { executor: 'workers', overflow: 'block' } }, () => {})
    await testbed.app.ready()
    expect(Object.keys(testbed.app.sse.stats().routes)).toEqual(['GET /a', 'GET /b', 'GET /c'])
  })
})
