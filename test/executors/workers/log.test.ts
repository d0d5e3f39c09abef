import Fastify, { type FastifyBaseLogger } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import headfirst from '../../../src/index.ts'
import { LOG_LEVELS } from '../../../src/sse/stream.ts'
import { logsAll } from './producers.ts'

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
