import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { EventStream, Producer } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'

/** Sources that say one thing and then wait for ever, and how one hears that they were stopped. */
const SOURCES: Record<string, () => { produce: Producer; stopped: Promise<unknown> }> = {
  Readable: () => {
    const source = new Readable({ objectMode: true, read() {} })
    source.push('first')
    return { produce: () => source, stopped: new Promise((resolve) => source.once('close', resolve)) }
  },
  'web stream': () => {
    const { readable, writable } = new TransformStream<string, string>()
    const writer = writable.getWriter()
    void writer.write('first')
    return { produce: () => readable, stopped: writer.closed.catch(() => {}) }
  },
}

describe.each(['inline', 'microtask', 'deferred'])('on executor %s', (executor) => {
  test.each(Object.keys(SOURCES))('close() by somebody else stops a silent %s', async (name) => {
    const { produce, stopped } = (SOURCES[name] as (typeof SOURCES)[string])()
    const testbed = await Testbed.make({ executor })
    let opened: EventStream | undefined
    testbed.app.get('/', { sse: { onOpen: (stream) => void (opened = stream) } }, async (_, reply) =>
      reply.sse(produce),
    )
    const client = await testbed.ask('/')
    await client.including('data: first\n\n')
    opened?.close()
    await stopped
    expect((await client.response()).body).toBe('data: first\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 1 })
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })
})
