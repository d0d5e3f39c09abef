/** However many things end a stream, its executor is told once. */
import { expect, test } from 'vitest'
import { deferred, inline, microtask, workers, type Executor } from '../../src/index.ts'
import { Flag, makeFlags, raise, untilRaised } from '../../src/testing/flags.ts'
import { Testbed } from '../support/testbed.ts'
import * as endless from '../support/producers/endless.ts'

const MAKE: Record<string, () => Executor> = {
  inline,
  microtask,
  deferred,
  workers: () => workers({ threads: 1, niceIncrement: 0, graceMs: 10_000 }),
}

test.each(Object.keys(MAKE))(
  'a producer on %s that runs on after its stream is cancelled once',
  async (name) => {
    const executor = (MAKE[name] as () => Executor)()
    const reasons: string[] = []
    const cancel = executor.cancel?.bind(executor)
    executor.cancel = (task, reason) => {
      reasons.push(reason)
      cancel?.(task, reason)
    }
    const testbed = await Testbed.everywhere({
      executor: 'watched',
      executors: { watched: executor },
      graceMs: 500,
    })
    const flags = makeFlags()
    testbed.route('/', endless.ignores, { flags }, { timeouts: { totalMs: 100 } })
    const client = await testbed.ask('/')
    await untilRaised(flags, Flag.STARTED)
    await client.response()
    expect((await testbed.closeInfo()).reason).toBe('timeout')
    // Its client leaves as well, and the server closes while it still runs.
    client.destroy()
    const closed = testbed.app.close()
    raise(flags, Flag.GO)
    await closed
    expect(reasons).toEqual(['timeout'])
  },
)
