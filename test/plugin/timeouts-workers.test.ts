import { describe, expect, test } from 'vitest'
import { Flag, makeFlags, raise, untilRaised } from '../../src/testing/flags.ts'
import type { Received } from '../support/raw-client.ts'
import * as producers from './timeouts-producers.ts'
import { neverStops } from '../support/producers/blocking.ts'
import { SHORT_MS, PATIENT_MS, Server, expectStruck } from './timeouts-server.ts'

describe('on workers', () => {
  test('a stream that waits for a thread is closed by firstEventMs, and never starts', async () => {
    const server = await Server.make({ executor: 'workers' }, { streamsPerThread: 1 })
    const [flags, never] = [makeFlags(), makeFlags()]
    server.route(producers.ticks, { flags })
    server.route(producers.silent, { flags: never }, { timeouts: { firstEventMs: SHORT_MS } })
    const first = await server.open('/0')
    await untilRaised(flags, Flag.STARTED)
    expect((await server.request('/1')).body).toBe('')
    const info = await server.testbed.closeInfo()
    expectStruck(info, 'firstEventMs', SHORT_MS)
    expect(info.timings.startedMs).toBeUndefined()
    raise(flags, Flag.GO)
    await first.response()
    await server.testbed.idle()
    expect(never[Flag.STARTED]).toBe(0)
  })

  test('a producer that does not stop is terminated after the grace', async () => {
    const server = await Server.make({ executor: 'workers' }, { graceMs: 20 })
    const [flags, others] = [makeFlags(), makeFlags()]
    server.route(neverStops, { flags }, { timeouts: { idleMs: SHORT_MS } })
    server.route(producers.once, { flags: others }, { timeouts: { idleMs: SHORT_MS } })
    expect((await server.request('/0')).body).toBe('data: up\n\n')
    expectStruck(await server.testbed.closeInfo(), 'idleMs', SHORT_MS)
    await server.testbed.idle()
    expect((await server.request('/1')).body).toBe('data: up\n\n')
    expectStruck(await server.testbed.closeInfo(1), 'idleMs', SHORT_MS)
  })

  test('what came while the server’s thread was blocked counts', async () => {
    const server = await Server.make({ executor: 'workers' })
    const flags = makeFlags()
    const blocked = makeFlags()
    const block = (): void => {
      Atomics.wait(blocked, Flag.SEEN, 0, 2 * PATIENT_MS)
      raise(blocked, Flag.SEEN)
    }
    // In step with the timer that looks whether there was an event: it has just looked, and is due again before the
    // loop reads what the thread has sent meanwhile.
    const onOpen = (): void => void setTimeout(() => setImmediate(block), PATIENT_MS / 4)
    const timeouts = { idleMs: PATIENT_MS, firstEventMs: PATIENT_MS }
    server.route(producers.ticks, { flags }, { timeouts, onOpen })
    const client = await server.open('/0')
    await untilRaised(blocked, Flag.SEEN)
    const events = (client.responses[0] as Received).chunks.length
    await client.until(() => (client.responses[0] as Received).chunks.length > events, 'another event')
    raise(flags, Flag.GO)
    await client.response()
    expect((await server.testbed.closeInfo()).reason).toBe('ended')
  })
})
