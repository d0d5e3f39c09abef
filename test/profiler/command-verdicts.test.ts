import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CLOSED, documentIn, folder, good, type Results } from './brief-run.ts'
import { answering, chunk, END, HEAD, run } from './profiling.ts'

describe('headfirst profile', () => {
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

  test('compares with a run of before', async () => {
    const before = join(folder(), 'before.json')
    const url = await good()
    // Of fewer than ten streams nothing is judged.
    const longer = [...CLOSED, '--duration', '1s']
    await run('profile', url, ...longer, '--json', before)
    // One that was written before there could be several generators.
    writeFileSync(before, readFileSync(before, 'utf8').replace('"generators":1,', ''))
    expect((documentIn(before).results as Results).measurement).not.toHaveProperty('generators')
    const { code, stdout } = await run('profile', url, ...longer, '--compare', before)
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
})
