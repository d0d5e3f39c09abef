import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { EventStream, StreamClosedError } from '../../src/index.ts'
import type { RawClient } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'

const failing = async (stream: EventStream): Promise<void> => {
  stream.send('before')
  await nextTurn()
  throw new Error('the password is hunter2')
}

describe('after the end', () => {
  test.each<[string, (testbed: Testbed, stream: EventStream) => Promise<unknown>, string | undefined]>([
    ['its close()', async (_, stream) => stream.close(), undefined],
    [
      'the client has left',
      async (testbed) => {
        ;(testbed as Testbed & { client: RawClient }).client.destroy()
        await testbed.closeInfo()
      },
      'client',
    ],
    ['a shutdown', async (testbed) => testbed.app.close(), 'shutdown'],
  ])('(%s) every method answers false and throws nothing', async (_, end, reason) => {
    let stream!: EventStream
    const testbed = await Testbed.serving((opened) => {
      stream = opened
      opened.send('one')
    })
    const client = await testbed.open()
    Object.assign(testbed, { client })
    const { signal } = stream
    expect(stream.closed).toBe(false)
    await end(testbed, stream)
    expect(stream.closed).toBe(true)
    expect(stream.send('late')).toBe(false)
    // What is no event is none; but nobody is there to be told.
    expect(stream.send(5 as never)).toBe(false)
    expect(stream.comment('late')).toBe(false)
    expect(await stream.ready()).toBe(false)
    stream.close()
    expect(stream.signal).toBe(signal)
    expect(signal.aborted).toBe(reason !== undefined)
    const abortReason = signal.reason as StreamClosedError | undefined
    expect(
      abortReason && { name: abortReason.name, code: abortReason.code, reason: abortReason.reason },
    ).toEqual(reason && { name: 'AbortError', code: 'HF_ERR_STREAM_CLOSED', reason })
    expect((await testbed.closeInfo()).events).toBe(1)
    expect(testbed.closed).toHaveLength(1)
    await testbed.idle()
  })

  test('a signal that is first asked for then has aborted', async () => {
    let stream!: EventStream
    const testbed = await Testbed.serving((opened) => {
      stream = opened
      opened.send('one')
    })
    ;(await testbed.open()).destroy()
    await testbed.closeInfo()
    expect(stream.signal.aborted).toBe(true)
    expect((stream.signal.reason as StreamClosedError).reason).toBe('client')
  })
})

describe('an error after the head', () => {
  test('tells the client nothing, closes the stream and is logged', async () => {
    const testbed = await Testbed.serving(failing)
    expect(await testbed.request('/')).toMatchObject({
      status: 200,
      body: 'data: before\n\n',
      complete: true,
    })
    expect(await testbed.closeInfo()).toMatchObject({
      reason: 'error',
      error: { message: 'the password is hunter2' },
    })
    expect(testbed.logged).toEqual([{ msg: 'event stream failed', error: 'the password is hunter2' }])
    await testbed.idle()
  })

  test('may be answered by onError with a last event', async () => {
    const testbed = await Testbed.serving(failing, {
      onError: (error, stream, request) => {
        stream.send({ event: 'failed', data: { at: request.url, known: error instanceof Error } })
      },
    })
    expect((await testbed.request('/')).body).toBe(
      'data: before\n\nevent: failed\ndata: {"at":"/","known":true}\n\n',
    )
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'error', events: 2 })
  })

  test('is the one that is told when onError throws as well', async () => {
    const testbed = await Testbed.serving(failing, {
      onError: () => {
        throw new Error('not even that')
      },
    })
    expect((await testbed.request('/')).body).toBe('data: before\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ error: { message: 'the password is hunter2' } })
    expect(testbed.logged.map(({ error }) => error)).toEqual(['the password is hunter2', 'not even that'])
  })

  test('may be anything that is thrown', async () => {
    const thrown: unknown[] = [undefined, null, 'text', 5, { name: 'AbortError' }]
    for (const value of thrown) {
      const told: unknown[] = []
      const testbed = await Testbed.serving(
        () => {
          throw value
        },
        { onError: (error) => told.push(error) },
      )
      expect(await testbed.request('/')).toMatchObject({ status: 200, body: '', complete: true })
      expect((await testbed.closeInfo()).reason).toBe('error')
      expect(told).toEqual([value])
      await testbed.idle()
    }
  })

  test('onError may close the stream itself', async () => {
    const testbed = await Testbed.serving(failing, { onError: (_, stream) => stream.close() })
    await testbed.request('/')
    expect((await testbed.closeInfo()).reason).toBe('error')
  })

  test('when the client has left before, is logged and changes nothing', async () => {
    let fail: (() => void) | undefined
    const testbed = await Testbed.serving(
      async (stream) => {
        stream.send('before')
        await new Promise<void>((resolve) => (fail = resolve))
        throw new Error('for nobody')
      },
      { onError: () => expect.unreachable('onError') },
    )
    ;(await testbed.open()).destroy()
    expect((await testbed.closeInfo()).reason).toBe('client')
    // It still runs, and still counts.
    expect(testbed.counted).toBe(1)
    fail?.()
    await testbed.idle()
    expect(testbed.logged.map(({ error }) => error)).toEqual(['for nobody'])
    expect(testbed.closed).toHaveLength(1)
  })
})
