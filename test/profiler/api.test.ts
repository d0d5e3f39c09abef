/** `headfirst/profiler`: the profiler as a program calls it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { parseProfileArguments } from '../../profiler/command/arguments.ts'
import {
  fromJson,
  profile,
  toHtml,
  toJson,
  toTerminal,
  UsageError,
  type ProfileCall,
  type ProfileProgress,
  type ProfileReport,
  type Verdict,
} from '../../profiler/index.ts'
import { EXIT } from '../../profiler/findings/verdict.ts'
import { answering, listening } from './profiling.ts'

/** The URL of a server whose streams have two events, after `holdMs`. */
async function serve(status = 200, holdMs = 0): Promise<string> {
  return listening(
    createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      setTimeout(() => response.end('data: 1\n\ndata: 2\n\n'), holdMs)
    }),
  )
}

/** Where the machine is busy nothing is concluded, whatever was measured. */
function expectVerdict({ verdict, exitCode }: ProfileReport, expected: Verdict): void {
  expect([expected, 'invalid']).toContain(verdict)
  expect(exitCode).toBe(EXIT[verdict])
}

const BRIEFLY: ProfileCall = { rate: 50, arrivals: 'uniform', duration: 300, warmup: 0, generators: 1 }

describe('profile()', () => {
  test('reports what clients saw, as a document that can be shown in each way', async () => {
    const news: ProfileProgress[] = []
    const report = await profile(await serve(), {
      ...BRIEFLY,
      duration: '1s',
      thresholds: ['errors:rate<0.5'],
      onProgress: (progress) => news.push(progress),
    })
    expectVerdict(report, 'pass')
    expect(report.document.results?.measurement).toMatchObject({
      arrivals: 50,
      events: 100,
      outcomes: { good: 50 },
    })
    expect(news.length).toBeGreaterThan(0)
    expect(news.every(({ phase }) => phase === 'measure')).toBe(true)
    expect(news.at(-1)).toMatchObject({ rate: 50, generators: 1 })
    expect(toTerminal(report.document, { colours: false, width: 120 })).toMatch(
      /Every threshold is kept|No threshold was judged/,
    )
    expect(toHtml(report.document)).toContain('<html')
    const json = toJson(report.document)
    expect(toJson(fromJson(json))).toBe(json)
  })

  test('has the verdict of a missed threshold, and of no good stream, and compares with a run of before', async () => {
    const url = await serve()
    const missed = await profile(url, { ...BRIEFLY, thresholds: ['ttfb:p50<0.000001'] })
    expectVerdict(missed, 'threshold')
    const invalid = await profile(await serve(404), BRIEFLY)
    expect(invalid).toMatchObject({ verdict: 'invalid', exitCode: 3 })
    const compared = await profile(url, { ...BRIEFLY, compare: fromJson(toJson(missed.document)) })
    expectVerdict(compared, 'pass')
    expect(JSON.stringify(compared.document.blocks)).toContain('Against the run of before')
  })

  test('ends with what there is when its signal aborts, before or meanwhile', async () => {
    const before = await profile(await serve(), { ...BRIEFLY, signal: AbortSignal.abort() })
    expect(before).toMatchObject({ verdict: 'interrupted', exitCode: 130 })
    expect(before.document).not.toHaveProperty('results')
    const controller = new AbortController()
    const meanwhile = await profile(await serve(200, 50), {
      ...BRIEFLY,
      duration: '60s',
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    expect(meanwhile.verdict).toBe('interrupted')
    expect(meanwhile.document.results?.measurement?.arrivals).toBeLessThan(3_000)
  })

  test('keeps streams open, and holds a server’s own profile for an error where there is none', async () => {
    const url = await serve(200, 20)
    const news: string[] = []
    const report = await profile(url, { ...BRIEFLY, hold: 3, onProgress: ({ phase }) => news.push(phase) })
    expectVerdict(report, 'pass')
    expect(news[0]).toBe('hold')
    const call = { ...BRIEFLY, serverProfile: url, token: 'sixteen characters' }
    await expect(profile(url, call)).rejects.toThrow(/^serverProfile: /)
  })
})

describe('what a program can do wrong', () => {
  test.each(['measure', 'hold'] as const)('ends with what onProgress throws (%s)', async (phase) => {
    const mistake = new Error('a mistake of the program')
    const call: ProfileCall = {
      ...BRIEFLY,
      duration: '60s',
      hold: 1,
      onProgress(progress) {
        if (progress.phase === phase) throw mistake
      },
    }
    await expect(profile(await serve(200, 20), call)).rejects.toBe(mistake)
  })

  test('gives why streams have failed in its summary, where no server is there at all', async () => {
    const server = createServer().listen({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const { verdict, document } = await profile(`http://127.0.0.1:${port}/`, BRIEFLY)
    expect(verdict).toBe('invalid')
    expect(document.blocks[0]).toMatchObject({
      text: expect.stringContaining(`15 refused (connect ECONNREFUSED 127.0.0.1:${port})`) as string,
    })
  })
})

test('ends with what a promise of onProgress rejects with', async () => {
  const mistake = new Error('a mistake of the program')
  const call: ProfileCall = { ...BRIEFLY, duration: '60s', onProgress: async () => Promise.reject(mistake) }
  await expect(profile(await serve(200, 20), call)).rejects.toBe(mistake)
})

describe('the server’s own profile', () => {
  const token = 'sixteen characters'

  test('is waited for no longer when the signal aborts', async () => {
    const controller = new AbortController()
    const silent = await answering(() => controller.abort())
    const call = { ...BRIEFLY, serverProfile: silent, token, signal: controller.signal }
    expect(await profile(await serve(), call)).toMatchObject({ verdict: 'interrupted', exitCode: 130 })
  })

  test('has to come as a whole in time, however often a byte comes', async () => {
    const trickling = await answering((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n')
      const timer = setInterval(() => socket.write(' '), 50)
      socket.once('close', () => clearInterval(timer))
    })
    const call = { ...BRIEFLY, serverProfile: trickling, token }
    await expect(profile(await serve(), call)).rejects.toThrow('serverProfile: no answer within 5000 ms')
  })
})

test('the report has the call that makes it again, without secrets', async () => {
  const url = await serve()
  const call = {
    ...BRIEFLY,
    slo: { ttfb: 50 },
    headers: { authorization: 'hush' },
    data: '{}',
  }
  const { document } = await profile(url, call)
  expect(document.command).toBe(
    `profile('${url}', { rate: 50, arrivals: "uniform", duration: 300, warmup: 0, generators: 1, slo: {"ttfb":50}, headers: …, data: … })`,
  )
  expect(toJson(document)).not.toContain('hush')
})

describe('header fields', () => {
  test.each<[string, NonNullable<ProfileCall['headers']>]>([
    ['an object', { 'x-tenant': 'seven' }],
    ['pairs', [['x-tenant', 'seven']]],
    ['a Map', new Map([['x-tenant', 'seven']])],
    ['a Headers', new Headers({ 'x-tenant': 'seven' })],
  ])('are sent from %s', async (_, headers) => {
    let seen: unknown
    const url = await listening(
      createServer((request, response) => {
        seen = request.headers['x-tenant']
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\n')
      }),
    )
    await profile(url, { ...BRIEFLY, headers })
    expect(seen).toBe('seven')
  })
})

const URL_OF = 'http://127.0.0.1:9/'

describe('what the command refuses, with the same words', () => {
  test.each<[ProfileCall, string[]]>([
    [{ rate: 0 }, ['--rate', '0']],
    [{ rate: 'fast' as never }, ['--rate', 'fast']],
    [{ arrivals: 'random' as never }, ['--arrivals', 'random']],
    [{ seed: 1.5 }, ['--seed', '1.5']],
    [{ closed: 0 }, ['--closed', '0']],
    [{ closed: 1, rate: 5 }, ['--closed', '1', '--rate', '5']],
    [{ closed: 1, findCapacity: 'ttfb:p99<50' }, ['--closed', '1', '--find-capacity', 'ttfb:p99<50']],
    [{ duration: '10' as never }, ['--duration', '10']],
    [{ warmup: 'long' as never }, ['--warmup', 'long']],
    [{ connections: 'old' as never }, ['--connections', 'old']],
    [{ hold: 0 }, ['--hold', '0']],
    [{ generators: 65 }, ['--generators', '65']],
    [{ method: 'HEAD' }, ['--method', 'HEAD']],
    [{ method: 'G T' }, ['--method', 'G T']],
    [{ headers: { connection: 'close' } }, ['--header', 'connection:close']],
    [{ headers: [['a b', 'c']] }, ['--header', 'a b:c']],
    [{ events: 0 }, ['--events', '0']],
    [{ for: '5' as never }, ['--for', '5']],
    [{ timeout: 'never' as never }, ['--timeout', 'never']],
    [{ stamp: 'json' }, ['--stamp', 'json']],
    [{ slo: 'ttfx:5' }, ['--slo', 'ttfx:5']],
    [{ slo: { ttfx: 5 } as never }, ['--slo', 'ttfx:5']],
    [{ thresholds: ['ttfb:p98<5'] }, ['--threshold', 'ttfb:p98<5']],
    [{ findCapacity: 'speed' }, ['--find-capacity', 'speed']],
    [{ precision: '0%' }, ['--precision', '0%']],
    [{ serverProfile: URL_OF, token: '' }, ['--server-profile', URL_OF, '--token', '']],
  ])('%o', async (call, flags) => {
    let words = ''
    try {
      parseProfileArguments([URL_OF, ...flags])
    } catch (error) {
      words = (error as Error).message
    }
    expect(words).not.toBe('')
    // Only the names of options differ: --find-capacity is findCapacity.
    const named = words.replaceAll(/--([a-z-]+)/g, (_, flag: string) => {
      const name = flag.replaceAll(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase())
      return { header: 'headers', threshold: 'thresholds' }[name] ?? name
    })
    const refused = await profile(URL_OF, call).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(UsageError)
    expect(refused).toMatchObject({ code: 'HF_ERR_PROFILE_USAGE', message: named })
  })

  test.each<[unknown, unknown, string]>([
    ['nowhere', {}, 'Expected the URL to be as http://localhost:3000/ticks, got "nowhere"'],
    ['http://a:b@127.0.0.1/', {}, 'without a user name'],
    ['http://:b@127.0.0.1/', {}, 'without a user name'],
    [URL_OF, { rates: 5 }, 'There is no option "rates". There are: rate, arrivals'],
    [URL_OF, { toString: 5 }, 'There is no option "toString". There are: rate, arrivals'],
    [URL_OF, { insecure: 1 }, 'insecure: expected true or false, got "1"'],
    [URL_OF, { data: 5 }, 'data: expected a text or bytes'],
    [URL_OF, { ca: '' }, 'ca: expected a text'],
    [URL_OF, { headers: 'a: b' }, "headers: expected 'name: value'"],
    [URL_OF, { headers: ['a: b'] }, "headers: expected 'name: value'"],
    [URL_OF, { headers: { a: undefined } }, 'headers: expected \'name: value\', got "a:"'],
    [URL_OF, { headers: [['a']] }, 'headers: expected \'name: value\', got "a"'],
    [URL_OF, { thresholds: 'ttfb:p99<50' }, 'thresholds: expected a list'],
    [URL_OF, { duration: -1 }, 'duration: expected a time from 1 to 2147483647 ms, got "-1ms"'],
    [URL_OF, { duration: '600h' }, 'duration: expected a time from 1 to 2147483647 ms, got "600h"'],
    [URL_OF, { warmup: NaN }, 'warmup: expected a time with its unit, as 500ms, 30s or 2m, got "NaNms"'],
    [URL_OF, { signal: 'now' }, 'signal: expected an AbortSignal, got "now"'],
    [URL_OF, { onProgress: true }, 'onProgress: expected a function, got "true"'],
    [URL_OF, null, 'Expected options as an object, got "null"'],
    [URL_OF, { compare: {} }, 'compare: expected the document of a profile'],
  ])('%s with %o is refused', async (url, call, message) => {
    await expect(profile(url as string, call as ProfileCall)).rejects.toThrow(message)
  })
})
