/** One file: what the server's profile answers, and what the profiler makes of it, meet in the same tests. */
import Fastify from 'fastify'
import { readFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { QueueWaits } from '../../profiler/server-view/queue-waits.ts'
import { ServerWatch } from '../../profiler/server-view/server-view.ts'
import headfirst, {
  type EventStream,
  type HeadfirstOptions,
  type ProfileAnswer,
  type Stats,
} from '../../src/index.ts'
import { ServerProfile } from '../../src/runtime/server-profile.ts'
import { Testbed } from '../support/testbed.ts'
import { run } from './profiling.ts'
import { computing } from './server-profile-producers.ts'

const TOKEN = 'a token that nobody guesses'
const PROFILE = { path: '/internal/profile', token: TOKEN }
const BLOCKED_MS = 120

/** Holds the server's thread. */
const block = (): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS)
}

async function ask(testbed: Testbed): Promise<ProfileAnswer & { stats: Stats }> {
  const { status, body } = await testbed.request(PROFILE.path, { authorization: `Bearer ${TOKEN}` })
  expect(status).toBe(200)
  return JSON.parse(body) as ProfileAnswer & { stats: Stats }
}

const registering = async (profile: unknown): Promise<unknown> =>
  Promise.resolve(Fastify().register(headfirst, { profile } as HeadfirstOptions)).catch(
    (error: unknown) => error,
  )

/** Blocks in a turn of the loop that is not its first. */
const later = async (stream: EventStream): Promise<void> => {
  stream.send('first')
  await nextTurn()
  block()
}

const CERTIFICATE = fileURLToPath(new URL('../support/test-only-certificate.pem', import.meta.url))

/** A server that listens, with one route that blocks; over TLS with a certificate that only itself vouches for. */
async function listening(isSecure = false): Promise<{ origin: string }> {
  const key = new URL('../support/test-only-key.pem', import.meta.url)
  const https = isSecure ? { cert: readFileSync(CERTIFICATE), key: readFileSync(key) } : null
  const app = Fastify({ https })
  onTestFinished(async () => app.close())
  await app.register(headfirst, { profile: PROFILE })
  app.get('/slow', { sse: true }, async (_, reply) => reply.sse(computing, BLOCKED_MS))
  return { origin: await app.listen({ port: 0, host: '127.0.0.1' }) }
}

describe('the option profile', () => {
  test('is off by default', async () => {
    const testbed = await Testbed.make()
    const { status } = await testbed.request(PROFILE.path, { authorization: `Bearer ${TOKEN}` })
    expect(status).toBe(404)
  })

  test.each([
    ['no token', {}],
    ['another', { authorization: 'Bearer a token that nobody guesseS' }],
    ['a part of it', { authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
    ['one that is longer', { authorization: `Bearer ${TOKEN}!` }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
  ])('shows nothing to whoever has %s: as if there was no such route', async (_, headers) => {
    const testbed = await Testbed.make({ profile: PROFILE })
    const there = await testbed.request(PROFILE.path, headers)
    const nowhere = await testbed.request('/nowhere', headers)
    expect(there.status).toBe(404)
    expect(there.body).toBe(nowhere.body.replaceAll('/nowhere', PROFILE.path))
  })

  test('shows threads, waits and counts to whoever has the token', async () => {
    const testbed = await Testbed.make({ profile: PROFILE })
    testbed.app.get('/report', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(computing, 1))
    await testbed.request('/report')
    await testbed.idle()
    const { threads, queueWaits, stats, blocked } = await ask(testbed)
    expect(threads[0]?.name).toBe('server')
    expect(threads.slice(1).map(({ name }) => name.replace(/\d+/, 'N'))).toContain('workers #N')
    for (const { utilisation } of threads) {
      expect(utilisation).toBeGreaterThanOrEqual(0)
      expect(utilisation).toBeLessThanOrEqual(1)
    }
    const waits = queueWaits['workers']
    expect(waits?.count).toBe(1)
    const [[waitMs, count] = [0, 0], ...others] = waits?.distribution ?? []
    expect({ count, others }).toEqual({ count: 1, others: [] })
    expect(Math.abs(waitMs / (waits?.maxMs ?? 0) - 1)).toBeLessThan(0.006)
    expect(stats.routes['GET /report']?.opened).toBe(1)
    expect(blocked).toBeInstanceOf(Array)
    // Since it was last asked.
    expect((await ask(testbed)).queueWaits).toEqual({})
  })

  test('tells waits so that a profiler can add up what it is told one after the other', () => {
    const profiler = new ServerProfile(PROFILE)
    const moments = profiler.watch({ name: 'own', executor: {} })
    const stream = {
      executor: 'own',
      route: 'GET /',
      context: { requestId: '1', route: 'GET /' },
      lastEventId: undefined,
    }
    const waited = (waitedMs: number): void => moments.started?.(stream, { waitedMs, here: false })
    const told = (): ProfileAnswer['queueWaits'][string] | undefined => profiler.answer().queueWaits['own']
    expect(told()).toBeUndefined()
    for (let ms = 1_000; ms > 0; ms--) waited(ms)
    waited(0)
    const first = told()
    expect(first?.count).toBe(1_001)
    expect(first?.distribution.reduce((sum, [, count]) => sum + count, 0)).toBe(1_001)
    expect(Math.abs((first?.p50Ms ?? 0) / 500 - 1)).toBeLessThan(0.01)
    expect(Math.abs((first?.p99Ms ?? 0) / 990 - 1)).toBeLessThan(0.01)
    expect(first?.maxMs).toBe(1_000)
    const waits = first?.distribution.map(([waitMs]) => waitMs) ?? []
    expect(waits).toEqual(waits.toSorted((one, other) => one - other))
    waited(300)
    const [[waitMs, count] = [0, 0]] = told()?.distribution ?? []
    expect({ count, isKnown: waits.includes(waitMs) }).toEqual({ count: 1, isKnown: true })
  })

  test('names the route whose producer blocked the loop from its start', async () => {
    const testbed = await Testbed.make({ profile: PROFILE })
    testbed.app.get('/slow', { sse: true }, async (_, reply) => reply.sse(computing, BLOCKED_MS))
    testbed.app.get('/idle', { sse: true }, async (_, reply) => reply.sse(() => {}))
    const idle = await testbed.connect()
    idle.send('GET /idle HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await idle.head()
    await ask(testbed)
    await testbed.request('/slow')
    const { blocked } = await ask(testbed)
    const ofSlow = blocked.filter(({ routes }) => routes.join() === 'GET /slow')
    expect(ofSlow).toHaveLength(1)
    expect(ofSlow[0]?.forMs).toBeGreaterThanOrEqual(BLOCKED_MS - 1)
  })

  test('names the routes that had a producer there when it was blocked later', async () => {
    const testbed = await Testbed.make({ profile: PROFILE })
    testbed.app.get('/later', { sse: true }, async (_, reply) => reply.sse(later))
    await ask(testbed)
    await testbed.request('/later')
    const { blocked } = await ask(testbed)
    const longest = blocked.toSorted((one, other) => other.forMs - one.forMs)[0]
    expect(longest?.routes).toEqual(['GET /later'])
  })

  test('says that none of headfirst was to blame', async () => {
    const testbed = await Testbed.make({ profile: PROFILE })
    testbed.app.get('/plain', async () => {
      block()
      return 'done'
    })
    await ask(testbed)
    await testbed.request('/plain')
    const { blocked } = await ask(testbed)
    const longest = blocked.toSorted((one, other) => other.forMs - one.forMs)[0]
    expect(longest?.routes).toEqual([])
  })

  test('shows executors of nested registrations too', async () => {
    const testbed = await Testbed.make({ profile: PROFILE })
    await testbed.app.register(async (scope) => {
      await scope.register(headfirst, { executors: { own: { run: (task) => void task.produce() } } })
      scope.get('/nested', { sse: { executor: 'own' } }, async (_, reply) => reply.sse(computing, 0))
    })
    await testbed.request('/nested')
    expect((await ask(testbed)).queueWaits['own']?.count).toBe(1)
  })

  test.each([
    ['no object', true, /an object of path and token/],
    ['no path', { token: TOKEN }, /"path"/],
    ['a path that is none', { path: 'profile', token: TOKEN }, /'\/internal\/profile'/],
    ['no token', { path: '/profile' }, /at least 16 characters, but got none/],
    [
      'a token that is short',
      { path: '/profile', token: 'short-secret' },
      /16 characters, but got one of 12/,
    ],
    ['a threshold that is none', { ...PROFILE, blockedMs: 0 }, /from 5 to 60000/],
    ['an option that is none', { ...PROFILE, port: 1 }, /"port"/],
  ])('does not take %s', async (_, profile, message) => {
    const error = (await registering(profile)) as Error
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('short-secret')
  })

  test('belongs to the outermost registration', async () => {
    const testbed = await Testbed.make()
    const nested = testbed.app.register(async (scope) => {
      await scope.register(headfirst, { profile: PROFILE })
    })
    await expect(Promise.resolve(nested)).rejects.toThrow('left to the outermost registration')
  })
})

const told = (distribution: [waitMs: number, count: number][]): Parameters<QueueWaits['add']>[0] => ({
  maxMs: Math.max(...distribution.map(([waitMs]) => waitMs)) * 1.004,
  distribution,
})

describe('waits on the server', () => {
  test('have the percentiles of the whole run, and not of its slowest second', () => {
    const waits = new QueueWaits()
    for (let second = 0; second < 10; second++)
      waits.add(
        told([
          [1, 90],
          [2, 10],
        ]),
      )
    waits.add(told([[500, 9]]))
    expect(waits.of('workers')).toEqual({ executor: 'workers', count: 1_009, p50Ms: 1, p99Ms: 2, maxMs: 502 })
    waits.add(told([[500, 2]]))
    expect(waits.of('workers').p99Ms).toBe(500)
  })

  test('have no p99 of fewer than 1,000 streams', () => {
    const waits = new QueueWaits()
    waits.add(told([[1, 999]]))
    expect(waits.of('own')).toEqual({ executor: 'own', count: 999, p50Ms: 1, p99Ms: undefined, maxMs: 1.004 })
  })

  test('are no longer than the longest, which is told exactly', () => {
    const waits = new QueueWaits()
    waits.add({ maxMs: 9.97, distribution: [[10, 1]] })
    expect(waits.of('own').p50Ms).toBe(9.97)
  })
})

describe('the profiler', () => {
  test("shows the server's view beside that of its clients", async () => {
    const { origin } = await listening()
    const { stdout } = await run(
      'profile',
      `${origin}/slow`,
      '--closed',
      '1',
      '--duration',
      '1s',
      '--warmup',
      '0',
      '--server-profile',
      `${origin}${PROFILE.path}`,
      '--token',
      TOKEN,
    )
    expect(stdout).toMatch(/GET \/slow +\| +\d+ \|/)
    expect(stdout).toContain('How long streams waited for their producer, on the server')
    expect(stdout).toMatch(/\| server +\| +[\d.]+ \|/)
    expect(stdout).not.toContain(TOKEN)
  })

  test('says what is wrong with the token before it measures', async () => {
    const { origin } = await listening()
    const { code, stderr } = await run(
      'profile',
      `${origin}/slow`,
      '--server-profile',
      `${origin}${PROFILE.path}`,
      '--token',
      'another',
    )
    expect(stderr).toContain('is the token that one?')
    expect(code).toBe(2)
  })

  test("sees the server's view over TLS, whose certificate is checked as that of the streams", async () => {
    const { origin } = await listening(true)
    const view = ['--server-profile', `${origin}${PROFILE.path}`, '--token', TOKEN]
    const args = [
      'profile',
      `${origin}/slow`,
      '--closed',
      '1',
      '--duration',
      '300ms',
      '--warmup',
      '0',
      ...view,
    ]
    const known = await run(...args, '--ca', CERTIFICATE)
    expect(known.stdout).toContain('How long streams waited for their producer, on the server')
    expect(known.stdout).not.toContain('is not complete')
    expect(known.code).toBe(0)
    const strict = await run(...args)
    expect(strict.stderr).toMatch(/--server-profile: self-signed certificate/)
    expect(strict.code).toBe(2)
    const trusting = await run(...args, '-k')
    expect(trusting.stdout).toContain('How long streams waited for their producer, on the server')
  })

  test('takes nothing else for a profile', async () => {
    const { origin } = await listening()
    const watch = new ServerWatch(
      { url: new URL(`${origin}/slow`), token: TOKEN },
      { ca: undefined, insecure: false },
    )
    await expect(watch.begin()).rejects.toThrow(/answers/)
  })
})
