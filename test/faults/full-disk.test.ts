import { createWriteStream, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { workers, type HeadfirstOptions } from '../../src/index.ts'
import { Flag, makeFlags, raise, untilRaised, type Flags } from '../../src/testing/flags.ts'
import { openStream } from '../../src/testing/open-stream.ts'
import { Testbed } from '../support/testbed.ts'
import * as producers from './full-disk-producers.ts'
import { untilPatiently as until } from '../support/waiting.ts'
import { EXECUTORS } from '../support/executors.ts'
import { throws } from '../support/producers/failing.ts'
import { neverStops } from '../support/producers/blocking.ts'

/** Every write to it fails as on a disk that is full. */
const FULL = '/dev/full'

interface Destination {
  write(line: string): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** Fastify's own logger, which it brings. */
const requireAsFastify = createRequire(createRequire(import.meta.url).resolve('fastify'))
const pino = requireAsFastify('pino') as {
  destination(options: { dest: string; sync: boolean }): Destination
}

/** Ways to write a log to a file: some throw where a line is written, some tell an `error` later. */
const DESTINATIONS: Record<string, () => Destination> = {
  'pino.destination(), sync': () => pino.destination({ dest: FULL, sync: true }),
  'pino.destination(), not sync, with a listener': () => pino.destination({ dest: FULL, sync: false }),
  'fs.createWriteStream(), with a listener': () => createWriteStream(FULL),
}

interface Disk {
  testbed: Testbed
  /** Lines that could not be written. */
  failures: string[]
}

/** A server whose log cannot be written. */
async function serve(kind: string, options: Omit<HeadfirstOptions, 'onClose'> = {}): Promise<Disk> {
  const failures: string[] = []
  const destination = (DESTINATIONS[kind] as () => Destination)()
  if (kind.includes('listener')) destination.on('error', ({ message }) => failures.push(message))
  const stream = {
    write: (line: string) => {
      try {
        destination.write(line)
      } catch (error) {
        failures.push((error as Error).message)
        throw error
      }
    },
  }
  // At lower levels Fastify writes lines of its own, which would throw into its own work.
  const testbed = await Testbed.everywhere(options, { logger: { level: 'warn', stream } })
  return { testbed, failures }
}

const TIMEOUT = { timeout: 60_000 }

const NUMBERS = Array.from({ length: 20 }, (_, n) => String(n))

/** The data of all events of a stream that is read to its end. */
async function read(testbed: Testbed, path: string): Promise<string[]> {
  const stream = await openStream(testbed.app, { path })
  const data: string[] = []
  for await (const event of stream.events) data.push(event.data)
  return data
}

describe.skipIf(!existsSync(FULL))('a log on a disk that is full', () => {
  describe.each(Object.keys(DESTINATIONS))('by %s', (kind) => {
    test('takes nothing from streams whose producers log, throw, or throw too late', TIMEOUT, async () => {
      const told: string[] = []
      const { testbed, failures } = await serve(kind, {
        // As an async function does that throws.
        onOpen: () => Promise.reject(new Error('from onOpen')) as never,
        onError: (error, stream) => {
          told.push((error as Error).message)
          stream.send('told')
          throw new Error('from onError')
        },
      })
      const { app, closed } = testbed
      const flags = Object.fromEntries(EXECUTORS.map((executor) => [executor, makeFlags()]))
      for (const executor of EXECUTORS) {
        testbed.route(`/${executor}/logs`, producers.logs, undefined, { executor })
        testbed.route(`/${executor}/throws`, throws, { events: 20 }, { executor })
        const late = { executor, timeouts: { idleMs: 50 } }
        testbed.route(`/${executor}/late`, producers.outlives, { flags: flags[executor] as Flags }, late)
      }
      for (const executor of EXECUTORS) {
        for (let round = 0; round < 2; round++) {
          expect(await read(testbed, `/${executor}/logs`)).toEqual(NUMBERS)
          expect(await read(testbed, `/${executor}/throws`)).toEqual([...NUMBERS, 'told'])
        }
        expect(await read(testbed, `/${executor}/late`)).toEqual(['up'])
        await until(() => closed.length === 5, 'the streams to be closed')
        const ways = closed.splice(0).map(({ reason, events }) => `${reason} ${events}`)
        expect(ways).toEqual(['ended 20', 'error 21', 'ended 20', 'error 21', 'timeout 1'])
        expect(told.splice(0)).toEqual(['broken', 'broken'])
        raise(flags[executor] as Flags, Flag.GO)
        await untilRaised(flags[executor] as Flags, Flag.FINALLY)
        await testbed.idle()
        expect(app.sse.stats().executors[executor]).toMatchObject({ admitted: 5, lost: 0 })
      }
      await until(() => failures.length > 0, 'a line that could not be written')
      expect(failures[0]).toContain('ENOSPC')
    })

    test(
      'does not keep a thread from being terminated, nor its streams from their end',
      TIMEOUT,
      async () => {
        const pool = workers({ threads: 1, niceIncrement: 0, graceMs: 20 })
        const { testbed, failures } = await serve(kind, { executor: 'pool', executors: { pool } })
        const [stuck, beside] = [makeFlags(), makeFlags()]
        testbed.route('/beside', producers.outlives, { flags: beside })
        testbed.route('/stuck', neverStops, { flags: stuck })
        testbed.route('/', producers.logs, undefined)
        const neighbour = await openStream(testbed.app, { path: '/beside' })
        await untilRaised(beside, Flag.STARTED)
        const client = await openStream(testbed.app, { path: '/stuck' })
        await untilRaised(stuck, Flag.STARTED)
        await client.close()
        expect(await neighbour.text()).toBe('data: up\n\n')
        await until(() => testbed.closed.length === 2, 'both streams to be closed')
        expect(testbed.closed.map(({ reason }) => reason)).toEqual(['client', 'lost'])
        expect(await read(testbed, '/')).toEqual(NUMBERS)
        await testbed.idle()
        await until(() => failures.length > 0, 'a line that could not be written')
      },
    )

    test('does not keep the server from closing with a producer that does not stop', TIMEOUT, async () => {
      const { testbed, failures } = await serve(kind, { graceMs: 50 })
      const flags = makeFlags()
      testbed.route('/', producers.outlives, { flags })
      const client = await openStream(testbed.app)
      await untilRaised(flags, Flag.STARTED)
      await testbed.app.close()
      expect(await client.text()).toMatch(/^data: up\n\n: the server is closing\nretry: \d+\n$/)
      await until(() => failures.length > 0, 'a line that could not be written')
      raise(flags, Flag.GO)
      await testbed.idle()
    })
  })
})
