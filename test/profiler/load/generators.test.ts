/** One file: what one process, several, and a closed loop measure is compared in the same recordings. */
import { execFileSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { measurementOf } from '../../../profiler/samples/measurement.ts'
import type { Measurement, Sampled } from '../../../profiler/plan.ts'
import { isTooMuch } from '../../../profiler/load/pressure.ts'
import type { Onlooker } from '../../../profiler/load/session.ts'
import { validity } from '../../../profiler/verdict/validity.ts'
import { answering, BRIEFLY, chunk, Command, END, HEAD, measure, planOf, run, session } from '../profiling.ts'
import { recording } from '../recording.ts'

const BODY = chunk('data: a\n\n') + chunk('data: b\n\ndata: c\n\n')
const BYTES = 'data: a\n\ndata: b\n\ndata: c\n\n'.length

/** One that counts whom it has answered. */
async function counting(): Promise<{ url: string; asked: () => number }> {
  let count = 0
  const url = await answering((socket) => {
    count++
    socket.end(HEAD + BODY + END)
  })
  return { url, asked: () => count }
}

/** When each stream was to begin, in ms since the start; all of them, where there are no more than are watched. */
function intended({ sampled }: Measurement): [arrival: number, ms: number][] {
  return sampled.map(({ arrival, atMs }) => [arrival, Number(atMs.toFixed(3))])
}

const stream = (arrival: number, firstEventMs: number | undefined): Sampled => ({
  arrival,
  atMs: arrival,
  outcome: firstEventMs === undefined ? 'timeout' : 'good',
  lagMs: 0,
  connectedMs: 0,
  firstByteMs: 0,
  firstEventMs,
  overMs: 1,
  eventsMs: [],
})

test('what several processes have recorded is told as of one', () => {
  const plan = planOf('http://localhost/', '--rate', '5', '--duration', '2s', '--warmup', '1s')
  const every = (count: number, from: number, of: number): Sampled[] =>
    Array.from({ length: count }, (_, place) => stream(from + place * of, 1))
  const one = recording({
    outcomes: { good: 10, status: 1 },
    details: { status: 'status 503' },
    statuses: { 503: 1 },
    heat: [[1, 0, 2]],
    streams: { watched: every(12, 0, 2), slowest: [stream(100, 7), stream(102, 8), stream(104, 9)] },
    loop: { activeMs: 60, idleMs: 40, polledMs: 40 },
    busy: [
      [1_001, 0.2],
      [1_999, 0.3],
    ],
    lastEventMs: 3_500,
    sentForMs: 2_900,
    lastIntendedMs: 2_899,
  })
  const other = recording({
    outcomes: { good: 5, status: 2, timeout: 1 },
    details: { status: 'status 404', timeout: 'no byte' },
    statuses: { 404: 1, 503: 1 },
    heat: [[1], [0, 4]],
    streams: { watched: every(12, 1, 2), slowest: [stream(101, undefined), stream(103, 8.5)] },
    loop: { activeMs: 50, idleMs: 50, polledMs: 10 },
    busy: [
      [1_000, 0.1],
      [2_003, 0.4],
      [3_000, 0.1],
    ],
    lastEventMs: 3_200,
    sentForMs: 2_950,
    lastIntendedMs: 2_890,
  })
  const measured = measurementOf(plan, 12_345, [one, other])
  expect(measured).toMatchObject({
    generators: 2,
    startMs: 12_345,
    arrivals: 2,
    scheduled: 4,
    endedByProfiler: 6,
    withinSlo: 8,
    events: 10,
    bytes: 12,
    unstamped: 14,
    connectionsOpened: 16,
    outcomes: { good: 15, status: 3, timeout: 1 },
    details: { status: 'status 503', timeout: 'no byte' },
    statuses: { 404: 1, 503: 2 },
    windowMs: 2_000,
    receivedForMs: 2_500,
    // Of the other one, which worked more, and polled less.
    utilisation: 0.4,
    polling: 0.1,
    busy: [
      [0.001, 0.2],
      [1.003, 0.4],
      [2, 0.1],
    ],
    sentForMs: 2_950,
    lastIntendedMs: 2_899,
    interrupted: false,
  })
  expect(measured.heat.counts.map((column) => column.slice(0, 4))).toEqual([
    [2, 0, 2, 0],
    [0, 4, 0, 0],
  ])
  // Of those that were watched the first, and of all others the slowest.
  const firsts = Array.from({ length: 12 }, (_, place) => place)
  expect(measured.sampled.map(({ arrival }) => arrival)).toEqual([...firsts, 101, 102, 103, 104])
  expect(measurementOf(plan, 0, [one, { ...other, interrupted: true }])).toMatchObject({
    interrupted: true,
    windowMs: 1_950,
  })
})

describe('a load of several processes', () => {
  test.each([2, 3])(
    'of %i is measured as one: what was counted is what the server has sent',
    async (many) => {
      const { url, asked } = await counting()
      const {
        generators,
        arrivals,
        scheduled,
        outcomes,
        events,
        bytes,
        ttfb,
        gap,
        lag,
        connectionsOpened,
        heat,
      } = await measure(url, ...BRIEFLY, '--rate', '500', '--generators', String(many))
      expect({ generators, arrivals, scheduled, outcomes }).toEqual({
        generators: many,
        arrivals: 100,
        scheduled: 100,
        outcomes: { good: 100 },
      })
      expect({ asked: asked(), connectionsOpened }).toEqual({ asked: 100, connectionsOpened: 100 })
      expect({ events, bytes }).toEqual({ events: 300, bytes: 100 * BYTES })
      expect([ttfb.samples, gap.samples, lag.samples]).toEqual([100, 200, 100])
      expect(heat.counts.flat().reduce((sum, count) => sum + count, 0)).toBe(100)
    },
  )

  test('has the arrivals of its seed, however many there are', async () => {
    const { url } = await counting()
    const seeded = [...BRIEFLY, '--arrivals', 'poisson', '--seed', '7']
    const one = intended(await measure(url, ...seeded, '--generators', '1'))
    expect(one.map(([arrival]) => arrival)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(intended(await measure(url, ...seeded, '--generators', '2'))).toEqual(one)
    expect(intended(await measure(url, ...seeded, '--generators', '3'))).toEqual(one)
  })

  test('leaves out the warm-up of each', async () => {
    const { url, asked } = await counting()
    const args = [...BRIEFLY, '--warmup', '200ms', '--generators', '3']
    const { arrivals, scheduled } = await measure(url, ...args)
    expect({ arrivals, scheduled, asked: asked() }).toEqual({ arrivals: 10, scheduled: 10, asked: 20 })
  })

  test('of more processes than arrivals has fewer', async () => {
    const { url } = await counting()
    const few = ['--rate', '10', '--arrivals', 'uniform', '--duration', '200ms', '--warmup', '0']
    const { generators, arrivals } = await measure(url, ...few, '--generators', '5')
    expect({ generators, arrivals }).toEqual({ generators: 2, arrivals: 2 })
  })

  test('divides the clients of a closed loop', async () => {
    const open = new Set<Socket>()
    let most = 0
    const url = await answering((socket) => {
      open.add(socket)
      most = Math.max(most, open.size)
      socket.write(HEAD + BODY)
      setTimeout(() => {
        open.delete(socket)
        socket.end(END)
      }, 50)
    })
    const closed = ['--closed', '5', '--duration', '400ms', '--warmup', '0']
    const { generators, arrivals, scheduled, outcomes } = await measure(url, ...closed, '--generators', '2')
    expect({ generators, scheduled, outcomes }).toEqual({
      generators: 2,
      scheduled: arrivals,
      outcomes: { good: arrivals },
    })
    expect(most).toBe(5)
    const fewer = await measure(url, '--closed', '1', ...closed.slice(2), '--generators', '3')
    expect(fewer.generators).toBe(1)
  })

  test('divides the streams that are held, and says how many processes there were', async () => {
    let asked = 0
    const url = await answering((socket) => {
      socket.write(HEAD + chunk('data: a\n\n'))
      if (++asked > 5) setTimeout(() => socket.end(END), 20)
    })
    const closed = ['--closed', '2', '--duration', '300ms', '--warmup', '0']
    const { code, stdout } = await run('profile', url, ...closed, '--hold', '5', '--generators', '2')
    expect(stdout).toContain('Beside them 5 streams were held open.')
    expect(stdout).toMatch(/for 0\.3\d* s by 2 generators/)
    expect(stdout).toContain('the busiest loop of 2 generators')
    expect(code).toBe(0)
  })

  test('ends with what there is, when it is interrupted', async () => {
    let asked = 0
    const tenth = new EventEmitter()
    const url = await answering((socket) => {
      socket.end(HEAD + BODY + END)
      if (++asked === 10) tenth.emit('asked')
    })
    const endless = ['--closed', '2', '--duration', '1h', '--warmup', '0', '--generators', '2']
    const command = new Command('profile', url, ...endless)
    await once(tenth, 'asked')
    command.child.kill('SIGINT')
    const { code, stdout } = await command.done()
    expect(code).toBe(130)
    expect(stdout).toContain('Interrupted: this is what there was so far.')
    expect(stdout).toContain('by 2 generators')
  })

  test('ends with an error that says so, when one of them dies', async () => {
    const asked = new EventEmitter()
    const url = await answering(() => asked.emit('asked'))
    const endless = [
      '--closed',
      '2',
      '--duration',
      '1h',
      '--timeout',
      '1h',
      '--warmup',
      '0',
      '--generators',
      '2',
    ]
    const command = new Command('profile', url, ...endless)
    await once(asked, 'asked')
    const children = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
      .filter(([, parent]) => parent === command.child.pid)
    expect(children).toHaveLength(2)
    process.kill(children[1]?.[0] as number, 'SIGKILL')
    const { code, stdout, stderr } = await command.done()
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/Load generator [12] of 2 has failed, and the run with it: .* SIGKILL/)
  })
})

/** Sends as fast as it is read, which costs it less than to read what is in the events. */
async function flooding(): Promise<string> {
  const flood = chunk('data: {"at":0}\n\n'.repeat(2_000))
  return answering((socket) => {
    socket.write(HEAD)
    const more = (): void => {
      while (socket.writable) {
        if (!socket.write(flood)) {
          socket.once('drain', more)
          return
        }
      }
    }
    more()
  })
}

const FLOODED = '--closed 4 --for 100ms --duration 200ms --warmup 600ms --stamp json:at'.split(' ')

describe('as many processes as it takes', () => {
  test('are there where one has too much to do in the warm-up, and stay', async () => {
    const plan = planOf(await flooding(), ...FLOODED)
    const anew: number[] = []
    const onlooker: Onlooker = { opening() {}, standing() {}, anew: (generators) => anew.push(generators) }
    const automatic = session(undefined, 2)
    expect((await automatic.measure(plan, onlooker))?.generators).toBe(2)
    expect((await automatic.measure(plan, onlooker))?.generators).toBe(2)
    expect(anew).toEqual([2])
  })

  test.each([
    ['the machine has no core for more', undefined, 1, []],
    ['their number was asked for', 1, 8, []],
    ['there is no warm-up', undefined, 8, ['--warmup', '0']],
    ['a closed loop has no more clients', undefined, 8, ['--closed', '1']],
  ])('are one where %s', async (_, generators, cores, args) => {
    const plan = planOf(await flooding(), ...FLOODED, ...args)
    expect((await session(generators, cores).measure(plan))?.generators).toBe(1)
  })

  test('hold the streams that are held: those that were open are moved', async () => {
    const open = new Set<Socket>()
    const url = await answering((socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      socket.write(HEAD + chunk('data: a\n\n'))
    })
    const automatic = session(undefined, 2)
    await automatic.hold(planOf(url), 7)
    expect(await automatic.held()).toEqual({ open: 7, lost: 0, detail: '', untried: 0 })
    const measured = await automatic.measure(planOf(await flooding(), ...FLOODED))
    expect(measured?.generators).toBe(2)
    expect(await automatic.held()).toEqual({ open: 7, lost: 0, detail: '', untried: 0 })
    expect(open.size).toBe(7)
  })

  test.each([
    [true, { utilisation: 0.65, begun: 10, lagP99Ms: 0 }],
    [false, { utilisation: 0.5, begun: 1_000, lagP99Ms: 4 }],
    [true, { utilisation: 0.5, begun: 1_000, lagP99Ms: 6 }],
    // Of 20 streams the p99 is the latest.
    [false, { utilisation: 0.5, begun: 20, lagP99Ms: 6 }],
  ])('are more: %s, after %j', (more, pressure) => {
    expect(isTooMuch(pressure)).toBe(more)
  })
})

test('a load that was late or busy is INVALID, with what to do', async () => {
  const { url } = await counting()
  const measured = await measure(url, ...BRIEFLY)
  const busy = { ...measured, lagP99Ms: 0, sentForMs: measured.lastIntendedMs, utilisation: 0.9 }
  expect(validity({ ...busy, utilisation: 0 }, false, 8).remedy).toBe('')
  expect(validity(busy, false, 8).remedy).toBe(
    'Give the load more processes (--generators 2), or run the profiler on another machine.',
  )
  expect(validity({ ...busy, generators: 4 }, false, 8).remedy).toContain('--generators 8')
  expect(validity({ ...busy, generators: 8 }, false, 8).remedy).toBe('Run the profiler on another machine.')
  // That nothing was good is not the load's fault.
  expect(validity({ ...busy, utilisation: 0, outcomes: { status: 10 } }, false, 8).remedy).toBe('')
})
