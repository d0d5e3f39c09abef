import { Ajv2020 } from 'ajv/dist/2020.js'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CLOSED, documentIn, folder, good, type Results } from './brief-run.ts'
import { answering, chunk, END, HEAD, run } from './profiling.ts'

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

  test('shows its help', async () => {
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
  ])('refuses %j with what to do', async (args, message) => {
    const { code, stderr } = await run(...args)
    expect(stderr).toMatch(message)
    expect(stderr).toContain('--help')
    expect(code).toBe(2)
  })

  test('refuses a file that is none to compare with before it measures', async () => {
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

  test('names the options for streams that do not end', async () => {
    const url = await answering((socket) => socket.write(HEAD + chunk('data: a\n\n')))
    const { stdout } = await run('profile', url, ...CLOSED, '--timeout', '200ms')
    expect(stdout).toContain('--events N or --for 5s')
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
