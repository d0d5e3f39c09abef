import { describe, expect, test } from 'vitest'
import { HF_ERR_EVENT_INVALID } from '../../src/errors.ts'
import type { EventStream, PortableProducer } from '../../src/index.ts'
import { Flag, makeFlags, untilRaised, until } from '../../src/testing/flags.ts'
import * as failing from '../support/producers/failing-sources.ts'
import { SECRET } from '../support/producers/failing-sources.ts'
import { turns } from '../support/waiting.ts'
import { EXECUTORS } from '../support/executors.ts'
import { Testbed } from '../support/testbed.ts'

const DEFAULT_LAST = 'data: before\n\n'

/** What must not reach a client: any part of the message, and anything of a stack. */
const expectNoLeak = (body: string): void => {
  expect(body).not.toContain(SECRET)
  expect(body).not.toMatch(/ at |\.ts|Error|file:/)
}

describe.each(EXECUTORS)('on executor %s, after the head', (executor) => {
  const ways: [string, PortableProducer][] = [
    ['a generator that throws', failing.generator],
    ['an async generator that throws', failing.asyncGenerator],
    ['a promise that rejects later', failing.later],
    ['a subscription that throws at once', failing.atOnce],
    ['a Readable that is destroyed', failing.readable],
    ['a web stream that fails', failing.webStream],
    ['an iterator whose next() throws', failing.iterator],
  ]

  test.each(ways)('%s: the client is told nothing of it', async (_, producer) => {
    const testbed = await Testbed.everywhere({ executor })
    testbed.route('/', producer, undefined)
    const { status, body, headers, trailers, complete } = await testbed.request('/')
    expect({ status, body, complete }).toEqual({ status: 200, body: DEFAULT_LAST, complete: true })
    expectNoLeak(body + JSON.stringify(headers) + JSON.stringify(trailers))
    const { reason, error, events, bytes } = await testbed.closeInfo()
    expect({ reason, events, bytes }).toEqual({ reason: 'error', events: 1, bytes: DEFAULT_LAST.length })
    expect((error as Error).message).toBe(SECRET)
    await testbed.idle()
    expect(testbed.logged).toEqual([{ msg: 'event stream failed', error: SECRET }])
    expect(testbed.closed).toHaveLength(1)
  })

  test.each(ways)('%s: onError may send one last event', async (_, producer) => {
    const testbed = await Testbed.everywhere({ executor })
    const told: unknown[] = []
    testbed.route('/', producer, undefined, {
      onError: (error, stream, request) => {
        told.push((error as Error).message)
        stream.send({ event: 'failed', data: { id: request.id } })
      },
    })
    const { body, complete } = await testbed.request('/')
    expect(body).toMatch(/^data: before\n\nevent: failed\ndata: {"id":".+"}\n\n$/)
    expect(complete).toBe(true)
    expect(told).toEqual([SECRET])
    const { reason, events, bytes } = await testbed.closeInfo()
    expect({ reason, events, bytes }).toEqual({ reason: 'error', events: 2, bytes: body.length })
    await testbed.idle()
  })

  test.each(failing.THROWN)(
    'whatever is thrown (%s) ends the stream, and the server serves on',
    async (name) => {
      const testbed = await Testbed.everywhere({ executor })
      const told: unknown[] = []
      testbed.route('/', failing.anything, name, { onError: (error) => told.push(error) })
      testbed.route('/late', failing.anythingLate, name)
      const { body, complete } = await testbed.request('/')
      expect({ body, complete }).toEqual({ body: DEFAULT_LAST, complete: true })
      expect((await testbed.closeInfo()).reason).toBe('error')
      expect(told).toHaveLength(1)
      // When its stream has ended before, it is logged all the same.
      expect(await testbed.request('/late')).toMatchObject({ body: DEFAULT_LAST, complete: true })
      expect((await testbed.closeInfo(1)).reason).toBe('ended')
      const lines = name === 'an AbortError' ? 1 : 2
      await until(() => testbed.logged.length === lines, 'the log')
      await testbed.idle()
      for (const { msg } of testbed.logged) expect(msg).toBe('event stream failed')
    },
  )

  test('a frozen error keeps its message in the log', async () => {
    const testbed = await Testbed.everywhere({ executor })
    testbed.route('/', failing.anything, 'a frozen error')
    await testbed.request('/')
    await until(() => testbed.logged.length > 0, 'the log')
    expect(testbed.logged).toEqual([{ msg: 'event stream failed', error: SECRET }])
  })

  test('send() from a stray timer answers false, and throws nothing', async () => {
    const testbed = await Testbed.everywhere({ executor })
    const flags = makeFlags()
    testbed.route('/', failing.strayTimer, { flags })
    expect((await testbed.request('/')).body).toBe(DEFAULT_LAST)
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 1 })
    await untilRaised(flags, Flag.SEEN)
    await testbed.idle()
    expect(testbed.logged).toEqual([])
    expect(testbed.closed).toHaveLength(1)
  })

  test('onError that throws, or closes, or sends what is no event, changes nothing', async () => {
    const testbed = await Testbed.everywhere({ executor })
    testbed.route('/throws', failing.later, undefined, {
      onError: () => {
        throw Object.freeze(new Error('frozen, in onError'))
      },
    })
    testbed.route('/closes', failing.later, undefined, {
      onError: (_, stream) => {
        stream.close()
        stream.send('late')
      },
    })
    testbed.route('/sends', failing.later, undefined, {
      onError: (_, stream) => void stream.send(5 as never),
    })
    const asynchronous = {
      onError: async (_: unknown, stream: EventStream): Promise<void> => {
        await turns()
        if (!stream.send('too late')) throw new Error('nobody waits for an async hook')
      },
    }
    testbed.route('/rejects', failing.later, undefined, asynchronous)
    for (const [number, path] of ['/throws', '/closes', '/sends', '/rejects'].entries()) {
      expect(await testbed.request(path)).toMatchObject({ body: DEFAULT_LAST, complete: true })
      expect(await testbed.closeInfo(number)).toMatchObject({ reason: 'error', error: { message: SECRET } })
    }
    await testbed.idle()
    const own = (): string[] =>
      testbed.logged.flatMap(({ error }) => (error === SECRET ? [] : [String(error)]))
    await until(() => own().length === 3, 'the log')
    expect(own().toSorted()).toEqual(
      [
        'frozen, in onError',
        'nobody waits for an async hook',
        new HF_ERR_EVENT_INVALID('5').message,
      ].toSorted(),
    )
    expect(testbed.closed).toHaveLength(4)
  })

  test('onClose that throws leaves everything counted out', async () => {
    const testbed = await Testbed.everywhere({ executor })
    let calls = 0
    testbed.route('/', failing.later, undefined, {
      onClose: () => {
        calls++
        throw Object.freeze(new Error('in onClose'))
      },
    })
    await testbed.request('/')
    await until(() => testbed.logged.length === 2, 'the log')
    await testbed.idle()
    await turns()
    expect(calls).toBe(1)
    expect(testbed.logged.map(({ error }) => error)).toEqual([SECRET, 'in onClose'])
    expect(testbed.app.sse.stats().routes['GET /']).toMatchObject({ open: 0, closed: { error: 1 } })
    await testbed.app.close()
  })

  test('onOpen that throws what cannot be read ends the stream, and no producer starts', async () => {
    const testbed = await Testbed.everywhere({ executor })
    const flags = makeFlags()
    testbed.route(
      '/',
      failing.strayTimer,
      { flags },
      {
        onOpen: () => {
          throw Proxy.revocable({}, {}).proxy
        },
      },
    )
    testbed.route(
      '/revoked',
      failing.strayTimer,
      { flags },
      {
        onOpen: () => {
          const { proxy, revoke } = Proxy.revocable({}, {})
          revoke()
          throw proxy
        },
      },
    )
    for (const [number, path] of ['/', '/revoked'].entries()) {
      expect(await testbed.request(path)).toMatchObject({ body: '', complete: true })
      expect((await testbed.closeInfo(number)).reason).toBe('error')
    }
    await testbed.idle()
    expect(flags[Flag.STARTED]).toBe(0)
  })
})
