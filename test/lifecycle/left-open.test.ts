import { describe, expect, test } from 'vitest'
import { makeFlags, until } from '../../src/testing/flags.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import * as producers from './left-open-producers.ts'
import { EXECUTORS } from '../support/executors.ts'

interface Line {
  level: number
  msg: string
  err?: { code: string; message: string }
}

/** A server that has every producer of these, and what it has logged. */
async function serve(executor: string): Promise<{ testbed: Testbed; warnings: Line[] }> {
  const warnings: Line[] = []
  const stream = { write: (line: string) => void warnings.push(JSON.parse(line) as Line) }
  const testbed = await Testbed.make({ executor }, { logger: { level: 'warn', stream } })
  for (const [name, producer] of Object.entries(producers)) {
    testbed.app.get(`/${name}`, { sse: true }, async (_, reply) =>
      reply.sse(producer, { flags: makeFlags() }),
    )
  }
  return { testbed, warnings }
}

describe.each(EXECUTORS)('on %s', (executor) => {
  test('a producer that leaves its stream open and has not asked for its signal is warned of, once a route', async () => {
    const { testbed, warnings } = await serve(executor)
    const [first, second] = [await testbed.connect(), await testbed.connect()]
    for (const client of [first, second]) {
      client.send(get('/leaves'))
      await client.including('left')
    }
    await until(() => warnings.length > 0, 'the warning')
    // What comes after it on the same way is there: a second warning would be as well.
    await testbed.request('/ends')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({ level: 40, err: { code: 'HF_ERR_STREAM_LEFT_OPEN' } })
    expect(warnings[0]?.err?.message).toContain('GET /leaves')
    expect(warnings[0]?.err?.message).toContain('Make it async')
    first.destroy()
    second.destroy()
    await testbed.idle()
  })

  test.each(['listens', 'closes', 'ends'])('one that does not is not (%s)', async (name) => {
    const { testbed, warnings } = await serve(executor)
    const client = await testbed.ask(`/${name}`)
    await client.including('sent')
    client.destroy()
    await testbed.idle()
    expect(warnings).toEqual([])
  })
})
