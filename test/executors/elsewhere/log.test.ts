import Fastify, { type FastifyBaseLogger } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import headfirst from '../../../src/index.ts'
import { farLog, readLine, writeLine } from '../../../src/executors/elsewhere/log.ts'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { allocateRing, RingReader, RingWriter } from '../../../src/executors/workers/ring.ts'
import { LOG_LEVELS, type StreamLog } from '../../../src/sse/stream.ts'
import { HOSTILE_LINES } from '../../support/hostile-frames.ts'
import { logsAll } from '../../support/producers/plain.ts'

/** A logger with the methods that Fastify asks for, and what it was given by a producer. */
function recorder(level: object): { logger: FastifyBaseLogger; lines: unknown[] } {
  const lines: unknown[] = []
  const methods = LOG_LEVELS.map((name) => [
    name,
    (first: unknown, second: unknown) => {
      if (second === 'from the producer') lines.push([name, first])
    },
  ])
  const logger = { ...Object.fromEntries(methods), ...level, child: () => logger }
  return { logger, lines }
}

test.each([
  { level: {}, least: 0 },
  { level: { level: 'notice' }, least: 0 },
  { level: { level: 'warn' }, least: 3 },
  { level: { level: 'silent' }, least: 6 },
])(
  'a logger of $level gets lines from level $least on, on its thread or another',
  async ({ level, least }) => {
    for (const executor of ['inline', 'workers']) {
      const { logger, lines } = recorder(level)
      const app = Fastify({ loggerInstance: logger })
      onTestFinished(async () => app.close())
      await app.register(headfirst, { executor })
      app.get('/', { sse: true }, async (_, reply) => reply.sse(logsAll))
      expect((await app.inject('/')).body).toBe('data: logged\n\n')
      const all = LOG_LEVELS.map((name, urgency) => [name, { urgency }])
      // On the server's thread the producer has the logger itself, which decides on each line.
      expect(lines).toEqual(executor === 'inline' ? all : all.slice(least))
    }
  },
)

/** What a log on the server's thread is given of what a producer says to its own, on a worker. */
function crossed(say: (log: StreamLog) => void, level?: string): unknown[][] {
  const memory = allocateRing(2 ** 20)
  const ring = new RingWriter(memory, () => {})
  say(farLog((line) => ring.write(1, FrameKind.LOG, line), level))
  const got: unknown[][] = []
  const methods = LOG_LEVELS.map((name) => [name, (...said: unknown[]): unknown => got.push([name, ...said])])
  new RingReader(memory).drain(Infinity, {
    data: () => expect.unreachable('a frame of data'),
    control(_, kind, payload) {
      expect(kind).toBe(FrameKind.LOG)
      writeLine(Object.fromEntries(methods) as StreamLog, readLine(payload))
    },
  })
  return got
}

test('lines arrive as they were said, in their order', () => {
  const lines = crossed((log) => {
    log.info('words')
    log.warn({ of: ['fields', 1, null] })
    log.error({ and: 'both' }, 'words')
    log.debug({}, '')
  })
  expect(lines).toEqual([
    ['info', {}, 'words'],
    ['warn', { of: ['fields', 1, null] }],
    ['error', { and: 'both' }, 'words'],
    ['debug', {}, ''],
  ])
})

test('an error, alone or as err, is one on the other side too', () => {
  const error = Object.assign(new TypeError('broken'), { code: 'E_BROKEN' })
  const lines = crossed((log) => {
    log.error(error)
    log.error(error, 'words')
    log.fatal({ err: error, tries: 3 }, 'words')
    log.fatal({ err: 'no error' })
    log.info({ error })
  })
  const err: unknown = expect.toSatisfy(
    (got: unknown) =>
      got instanceof Error &&
      got.name === 'TypeError' &&
      got.stack === error.stack &&
      'code' in got &&
      got.code === 'E_BROKEN',
  )
  expect(lines).toEqual([
    ['error', { err }],
    ['error', { err }, 'words'],
    ['fatal', { err, tries: 3 }, 'words'],
    ['fatal', { err: 'no error' }],
    // As JSON has it, which is what any other field becomes.
    ['info', { error: { code: 'E_BROKEN' } }],
  ])
})

test('of a line that is too long, or is no JSON, the message arrives', () => {
  const cycle: Record<string, unknown> = {}
  cycle['itself'] = cycle
  const lost = 'a line that is too long, or has fields that are no JSON'
  const lines = crossed((log) => {
    log.info(cycle, 'words')
    log.info(cycle)
    log.info({ long: 'x'.repeat(65_536) }, 'words')
    log.info({ long: 'x'.repeat(65_536) })
    log.info('y'.repeat(65_536))
    log.info('z'.repeat(60_000))
  })
  expect(lines).toEqual([
    ['info', {}, 'words'],
    ['info', {}, lost],
    ['info', {}, 'words'],
    ['info', {}, lost],
    ['info', {}, 'y'.repeat(16_384)],
    ['info', {}, 'z'.repeat(60_000)],
  ])
})

function saysAll(log: StreamLog): void {
  for (const level of LOG_LEVELS) log[level](level)
}

test('what is below the level does not cross', () => {
  expect(crossed(saysAll, 'error').map(([level]) => level)).toEqual(['error', 'fatal'])
  expect(crossed(saysAll, 'silent')).toEqual([])
  for (const undecided of [undefined, 'notice']) expect(crossed(saysAll, undecided)).toHaveLength(6)
})

test.each(HOSTILE_LINES.map((text) => [text.slice(0, 40), text]))('no line is made of %s', (_, text) => {
  expect(() => readLine(Buffer.from(text))).toThrow(/^(no line|no error|causes that are too deep)$|JSON/)
})

test('of fields that throw as they are read the message arrives, and the producer goes on', () => {
  const unreadable = new Proxy(
    {},
    {
      getPrototypeOf: () => {
        throw new Error('from a trap')
      },
      ownKeys: () => {
        throw new Error('from a trap')
      },
    },
  )
  const throwing = {
    get field(): never {
      throw new Error('from a getter')
    },
  }
  const lines = crossed((log) => {
    log.info(throwing, 'words')
    log.warn(unreadable, 'words')
    log.error(unreadable)
  })
  expect(lines).toEqual([
    ['info', {}, 'words'],
    ['warn', {}, 'words'],
    ['error', {}, 'a line that is too long, or has fields that are no JSON'],
  ])
})
