import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import Fastify from 'fastify'
import headfirst, { workers, type Executor, type Task } from '../../../src/index.ts'
import type { ResponseSink } from '../../../src/sse/response-sink.ts'
import { blockUntil, Flag, makeFlags, raise } from '../../../src/testing/flags.ts'
import { Observer } from '../../../src/testing/observer.ts'
import { bursts } from '../../support/producers/blocking.ts'

/** What one turn may take of a ring, and what it may be over it: a frame. Between two looks are two turns at most. */
const MOST_BYTES = 2 * (131_072 + 65_536)

test('a ring that is full is read over several turns of the loop, those of two threads in turn', async () => {
  const pool = workers({ threads: 2, streamsPerThread: 1, niceIncrement: 0 })
  const tasks: Task[] = []
  const spying: Executor = {
    mayBlock: true,
    prepare: async (task) => pool.prepare?.(task),
    run: (task) => {
      tasks.push(task)
      return pool.run(task)
    },
    cancel: (task, reason) => pool.cancel?.(task, reason),
    close: (graceMs) => pool.close?.(graceMs),
  }
  const app = Fastify()
  onTestFinished(async () => app.close())
  await app.register(headfirst, { executor: 'spying', executors: { spying }, maxBuffered: 2 ** 24 })
  const flags = makeFlags()
  const input = { flags, events: 900, bytes: 1_000 }
  app.get('/', { sse: true }, async (_, reply) => reply.sse(bursts, input))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const observers = [1, 2].map(() => new Observer(port, '/'))
  onTestFinished(async () => void (await Promise.all(observers.map(async (each) => each.dismiss()))))
  while (flags[Flag.STARTED] !== 2) await turn()

  // Both rings fill while this thread reads nothing.
  raise(flags, Flag.GO)
  expect(blockUntil(flags, Flag.SEEN, 2)).toBe(true)
  const bytes = (): number[] => tasks.map(({ sink }) => (sink as ResponseSink).bytes)
  const looks = [bytes()]
  while (bytes().some((each) => each < 900_000)) {
    await turn()
    looks.push(bytes())
  }
  for (const [index, look] of looks.slice(1).entries()) {
    const steps = look.map((each, stream) => each - (looks[index]?.[stream] as number))
    for (const step of steps) expect(step).toBeLessThanOrEqual(MOST_BYTES)
  }
  // When the first was at its end, the other was not at its start.
  const firstAtEnd = looks.find((look) => look.some((each) => each >= 900_000)) as number[]
  for (const each of firstAtEnd) expect(each).toBeGreaterThan(MOST_BYTES)
})
