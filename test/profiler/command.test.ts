import { Ajv2020 } from 'ajv/dist/2020.js'
import { execFileSync, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Document } from '../../profiler/report/document.ts'
import { answering, chunk, Command, END, HEAD, run } from './profiling.ts'

/** A closed loop: no send lag that a busy machine could make a measurement invalid with. */
const CLOSED = ['--closed', '1', '--duration', '300ms', '--warmup', '0']

/** Each stream takes a while, so that the generator of a closed loop is not busy. */
const good = async (): Promise<string> =>
  answering((socket) => {
    socket.write(HEAD + chunk('data: a\n\n'))
    setTimeout(() => socket.end(END), 20)
  })

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'headfirst-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

const documentIn = (file: string): Document => JSON.parse(readFileSync(file, 'utf8')) as Document

interface Results {
  version: number
  measurement: { arrivals: number; generators: number; interrupted: boolean }
  judged: { holds?: boolean }[]
  capacity: { steps: { rate: number; holds: boolean }[]; highest?: number }
}

describe('headfirst profile', () => {
  test('shows what it has measured, with the formulas, and writes it', async () => {
    const [json, html] = [join(folder(), 'a.json'), join(folder(), 'a.html')]
    const url = await good()
    // Long enough for two points of how busy the generator was, one a second.
    const args = [...CLOSED, '--duration', '2500ms', '--json', json, '--html', html]
    const { code, stdout } = await run('profile', url, ...args)
    expect(code).toBe(0)
    expect(stdout).toContain('TTFB = first byte of the response − intended start')
    expect(stdout).toContain('Closed loop')
    const schema = readFileSync(new URL('../../profiler/report/schema.json', import.meta.url), 'utf8')
    const validate = new Ajv2020({ allowUnionTypes: true }).compile(JSON.parse(schema) as object)
    validate(documentIn(json))
    expect(validate.errors).toBeNull()
    const { tool, blocks, results } = documentIn(json)
    expect(tool).toBe('profile')
    expect(new Set(blocks.map(({ kind }) => kind))).toEqual(
      new Set(['text', 'table', 'percentiles', 'heatmap', 'timeline', 'waterfall']),
    )
    const { version, measurement } = results as Results
    expect({ version, generators: measurement.generators }).toEqual({ version: 1, generators: 1 })
    expect(measurement.arrivals).toBeGreaterThan(0)
    expect(readFileSync(html, 'utf8')).toContain(url)
  })

  test('gives no p99 of fewer than 1,000 streams', async () => {
    const json = join(folder(), 'a.json')
    const url = await good()
    await run('profile', url, '--rate', '50', '--duration', '200ms', '--warmup', '0', '--json', json)
    const { ttfb } = (documentIn(json).results as { measurement: { ttfb: Record<string, number> } })
      .measurement
    expect(ttfb['p50']).toBeGreaterThan(0)
    expect(ttfb['p99']).toBeUndefined()
  })

  test('teaches', async () => {
    const { code, stdout } = await run('profile', '--help')
    expect(code).toBe(0)
    expect(stdout).toContain('headfirst profile http://localhost:3000/ticks --rate 200 --duration 30s')
  })

  test.each([
    [[], /Expected a command/],
    [['bench'], /got "bench"/],
    [['profile'], /Expected a URL/],
    [['profile', 'ftp://x/'], /got "ftp:\/\/x\/"/],
    [['profile', 'http://x/', '--rate', 'fast'], /--rate: expected streams per second/],
    [['profile', 'http://x/', '--for', '5'], /--for: expected a time with its unit/],
    [['profile', 'http://x/', '--generators', '65'], /--generators: expected a whole number from 1 to 64/],
    [['profile', 'http://x/', '--threshold', 'ttfb<5'], /'ttfb:p99<50'/],
    [['profile', 'http://x/', '--threshold', 'ttfb:p98<5'], /Use one of: min, mean, p50/],
    [['profile', 'http://x/', '-H', 'accept-encoding: gzip'], /leave accept-encoding out/],
    [['profile', 'http://x/', '-H', 'no colon'], /'name: value'/],
    [['profile', 'http://x/', '--closed', '5', '--rate', '5'], /exclude each other/],
    [['profile', 'http://x/', '--slo', 'speed:5'], /ttfb:50,ttfe:500/],
    [['profile', 'http://x/', '--stamp', 'json'], /json:KEY/],
    [['profile', 'http://x/', '--compare', '/no/such/file'], /there is no file/],
    [['profile', 'http://x/', '--compare', 'package.json'], /no file that headfirst profile --json/],
    [['profile', 'http://x/', '--json', '/no/such/folder/x'], /--json: can't write .* Make it first/],
    [['profile', 'http://x/', '--html', '.'], /--html: can't write .*: it is a folder\. Name a file in it/],
    [['profile', 'http://x/', '--html', 'package.json/x'], /package\.json is no folder/],
    [['profile', '--self-check', '--html', '.'], /--html: can't write .*: it is a folder/],
    [['profile', 'http://x/', '--server-profile', 'http://x/p'], /HEADFIRST_TOKEN/],
    [['profile', 'http://x/', '--speed'], /Unknown option '--speed'/],
  ])('says what to do when asked for %j', async (args, message) => {
    const { code, stderr } = await run(...args)
    expect(stderr).toMatch(message)
    expect(stderr).toContain('--help')
    expect(code).toBe(2)
  })

  test('says before it measures that a file is none to compare with', async () => {
    const before = join(folder(), 'before.json')
    const measurements = [
      null,
      {},
      { arrivals: 1 },
      { arrivals: 1, outcomes: { good: 1 }, ttfb: { samples: 1, p50: 5 } },
    ]
    for (const measurement of measurements) {
      writeFileSync(before, JSON.stringify({ tool: 'profile', command: 'x', results: { measurement } }))
      const { code, stdout, stderr } = await run('profile', await good(), ...CLOSED, '--compare', before)
      expect(stderr).toContain(`${before} is no file that headfirst profile --json has written`)
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    }
  })

  test('exits with 99 when a threshold is missed, of no samples too', async () => {
    const url = await good()
    const kept = await run('profile', url, ...CLOSED, '--threshold', 'errors:rate<0.5')
    expect(kept.stdout).toContain('Every threshold is kept.')
    expect(kept.code).toBe(0)
    const missed = await run('profile', url, ...CLOSED, '--threshold', 'ttfb:p50<0')
    expect(missed.stdout).toContain('Not kept: ttfb:p50<0.')
    expect(missed.code).toBe(99)
    const none = await run('profile', url, ...CLOSED, '--threshold', 'latency:max<5000')
    expect(none.stdout).toMatch(/latency:max<5000 .* missed: no samples/)
    expect(none.code).toBe(99)
  })

  test('judges no threshold by a measurement that is INVALID', async () => {
    const json = join(folder(), 'a.json')
    const url = await answering((socket) => socket.end('HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n'))
    const thresholds = ['--threshold', 'errors:rate<2', '--threshold', 'ttfb:p50<5']
    const { code, stdout } = await run('profile', url, ...CLOSED, ...thresholds, '--json', json)
    expect(stdout).toMatch(/errors:rate<2 .* 1 .* not judged/)
    expect(stdout).toMatch(/ttfb:p50<5 .* ∞ .* not judged/)
    expect(stdout).toContain('No threshold was judged, since the measurement is INVALID.')
    expect(stdout).not.toMatch(/\bkept\b|\bmissed\b/i)
    expect((documentIn(json).results as Results).judged.map(({ holds }) => holds)).toEqual([
      undefined,
      undefined,
    ])
    expect(code).toBe(3)
  })

  test('exits with 3 when nothing was good', async () => {
    const url = await answering((socket) => socket.end('HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n'))
    const json = join(folder(), 'a.json')
    const { code, stdout } = await run('profile', url, ...CLOSED, '--json', json)
    // Streams that have failed are seen one by one; of their times there is nothing to draw.
    const kinds = documentIn(json).blocks.map(({ kind }) => kind)
    expect(kinds).not.toContain('percentiles')
    expect(kinds).not.toContain('heatmap')
    expect(kinds).toContain('waterfall')
    expect(stdout).toMatch(/status: not 200 .* 404: /)
    expect(stdout).toContain('INVALID')
    expect(code).toBe(3)
  })

  test('says what streams need that do not end', async () => {
    const url = await answering((socket) => socket.write(HEAD + chunk('data: a\n\n')))
    const { stdout } = await run('profile', url, ...CLOSED, '--timeout', '200ms')
    expect(stdout).toContain('--events N or --for 5s')
  })

  test('compares with a run of before', async () => {
    const before = join(folder(), 'before.json')
    const url = await good()
    await run('profile', url, ...CLOSED, '--json', before)
    // One that was written before there could be several generators.
    writeFileSync(before, readFileSync(before, 'utf8').replace('"generators":1,', ''))
    expect((documentIn(before).results as Results).measurement).not.toHaveProperty('generators')
    const { code, stdout } = await run('profile', url, ...CLOSED, '--compare', before)
    expect(stdout).toMatch(/ttfb p50, ms .*(no difference|slower|faster)/)
    expect(stdout).toMatch(/errors, share .* no difference/)
    expect(code).toBe(0)
  })

  test('compares nothing with a run that is INVALID, nor one that is with any', async () => {
    const [valid, invalid] = [join(folder(), 'valid.json'), join(folder(), 'invalid.json')]
    const url = await good()
    const bad = await answering((socket) => socket.end('HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n'))
    await run('profile', url, ...CLOSED, '--json', valid)
    const now = await run('profile', bad, ...CLOSED, '--json', invalid, '--compare', valid)
    expect(now.stdout).toMatch(/errors, share .* not judged/)
    expect(now.stdout).toContain('Nothing is said of what has changed, since the measurement is INVALID.')
    expect(now.code).toBe(3)
    const before = await run('profile', url, ...CLOSED, '--compare', invalid)
    expect(before.stdout).toMatch(/errors, share .* not judged/)
    expect(before.stdout).toContain(
      'Nothing is said of what has changed, since the run of before is INVALID.',
    )
    for (const { stdout } of [now, before]) {
      expect(stdout).not.toMatch(/\b(slower by|slower:|faster by|no difference|worse|better)\b/)
    }
    // Whether this measurement counts has nothing to do with the one of before.
    expect(before.code).toBe(0)
  })

  test('writes what there is when interrupted', async () => {
    const json = join(folder(), 'a.json')
    let asked = 0
    const tenth = new EventEmitter()
    const url = await answering((socket) => {
      socket.end(HEAD + chunk('data: a\n\n') + END)
      if (++asked === 10) tenth.emit('asked')
    })
    const command = new Command(
      'profile',
      url,
      '--closed',
      '1',
      '--duration',
      '1h',
      '--warmup',
      '0',
      '--json',
      json,
    )
    await once(tenth, 'asked')
    command.child.kill('SIGINT')
    const { code, stdout } = await command.done()
    expect(code).toBe(130)
    expect(stdout).toContain('Interrupted')
    const { measurement } = documentIn(json).results as Results
    expect(measurement.interrupted).toBe(true)
    expect(measurement.arrivals).toBeGreaterThanOrEqual(8)
  })

  test.runIf(spawnSync('prlimit', ['--version']).status === 0)(
    'keeps the older report where the new one cannot be written as a whole',
    async () => {
      const json = join(folder(), 'a.json')
      writeFileSync(json, 'older')
      const asked = new EventEmitter()
      const url = await answering((socket) => {
        socket.write(HEAD + chunk('data: a\n\n'))
        setTimeout(() => socket.end(END), 20)
        asked.emit('asked')
      })
      const command = new Command('profile', url, ...CLOSED, '--json', json)
      await once(asked, 'asked')
      // As on a disk that fills up meanwhile.
      execFileSync('prlimit', ['--fsize=1000', '--pid', String(command.child.pid)])
      const { code, stdout, stderr } = await command.done()
      expect(stderr).toContain(`--json: can't write ${json}: EFBIG`)
      expect(stdout).toContain('Closed loop')
      expect(code).toBe(1)
      expect(readFileSync(json, 'utf8')).toBe('older')
      expect(readdirSync(join(json, '..'))).toEqual(['a.json'])
    },
  )

  test('is interrupted while it still opens the streams that it is to hold, and keeps an older report', async () => {
    const [json, html] = [join(folder(), 'a.json'), join(folder(), 'a.html')]
    writeFileSync(html, 'older')
    const asked = new EventEmitter()
    // It never answers.
    const url = await answering(() => asked.emit('asked'))
    const command = new Command('profile', url, '--hold', '1', '--json', json, '--html', html)
    await once(asked, 'asked')
    command.child.kill('SIGINT')
    const { code, stdout } = await command.done()
    expect(code).toBe(130)
    expect(stdout).toContain('Interrupted: this is what there was so far.')
    expect(documentIn(json).blocks).toHaveLength(1)
    expect(readFileSync(html, 'utf8')).toBe('older')
  })

  test('is interrupted while it still asks for the server’s own view, and measures nothing then', async () => {
    const asked = new EventEmitter()
    const view = '{"nowMs":1,"sinceMs":1,"threads":[],"queueWaits":{},"blocked":[]}'
    let answer: (() => void) | undefined
    const server = await answering((socket) => {
      const say = (): void => void socket.end(`HTTP/1.1 200 OK\r\n\r\n${view}`)
      if (answer === undefined) asked.emit('asked')
      else say()
      answer ??= say
    })
    const asking = ['--server-profile', server, '--token', 'x']
    const command = new Command('profile', await good(), '--duration', '1h', ...asking)
    await once(asked, 'asked')
    command.child.kill('SIGINT')
    answer?.()
    const { code, stdout } = await command.done()
    expect(code).toBe(130)
    expect(stdout).toContain('Interrupted')
  })

  test('finds the highest rate that holds', async () => {
    const json = join(folder(), 'a.json')
    let open = 0
    // At most 4 at a time: a stream takes 50 ms, so that about 80 of them go through in a second.
    const url = await answering((socket) => {
      if (open >= 4) {
        socket.end('HTTP/1.1 503 Full\r\ncontent-length: 0\r\n\r\n')
        return
      }
      open++
      socket.write(HEAD + chunk('data: a\n\n'))
      setTimeout(() => {
        open--
        socket.end(END)
      }, 50)
    })
    const { stdout } = await run(
      'profile',
      url,
      '--rate',
      '20',
      '--arrivals',
      'uniform',
      '--duration',
      '400ms',
      '--warmup',
      '0',
      '--find-capacity',
      'errors:rate<0.1',
      '--precision',
      '50%',
      '--json',
      json,
    )
    const { steps, highest } = (documentIn(json).results as Results).capacity
    expect(stdout).toContain('Which rate holds errors:rate<0.1?')
    expect(steps[0]?.rate).toBe(20)
    // A busy machine may have made every step invalid, or this one at first.
    expect([undefined, true]).toContain(steps.findLast(({ rate }) => rate === highest)?.holds)
  })

  test('holds streams open beside those that it measures', async () => {
    let asked = 0
    const url = await answering((socket) => {
      socket.write(HEAD + chunk('data: a\n\n'))
      if (++asked > 20) setTimeout(() => socket.end(END), 20)
    })
    const { code, stdout } = await run('profile', url, ...CLOSED, '--hold', '20')
    expect(stdout).toContain('Beside them 20 streams were held open.')
    expect(code).toBe(0)
  })

  test('keeps secrets out of what it writes', async () => {
    const json = join(folder(), 'a.json')
    const { code } = await run(
      'profile',
      await good(),
      ...CLOSED,
      '-H',
      'Authorization: Bearer hush-hush',
      '--json',
      json,
    )
    expect(code).toBe(0)
    expect(readFileSync(json, 'utf8')).not.toContain('hush-hush')
  })
})
