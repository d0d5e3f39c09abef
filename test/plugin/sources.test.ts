import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { EventInput, Produced } from '../../src/index.ts'
import { until } from '../../src/testing/flags.ts'
import { Testbed } from '../support/testbed.ts'

describe('a stream that a producer returned', () => {
  test('is destroyed when the client leaves, also while it has nothing to say', async () => {
    const readable = new Readable({ objectMode: true, read() {} })
    readable.push('one')
    const testbed = await Testbed.serving(() => readable)
    ;(await testbed.open()).destroy()
    await until(() => readable.destroyed, 'the Readable to be destroyed')
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('is cancelled when the client leaves, also while it has nothing to say (web)', async () => {
    let cancelled = false
    const readable = new ReadableStream<string>({
      start: (controller) => controller.enqueue('one'),
      cancel: () => {
        cancelled = true
      },
    })
    const testbed = await Testbed.serving(() => readable as AsyncIterable<EventInput>)
    ;(await testbed.open()).destroy()
    await until(() => cancelled, 'the ReadableStream to be cancelled')
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('of bytes ends it as error, with a message that says what came', async () => {
    const testbed = await Testbed.serving(() =>
      Readable.from([Buffer.from('data: x\n\n')], { objectMode: false }),
    )
    expect((await testbed.request('/')).body).toBe('')
    const { reason, error } = await testbed.closeInfo()
    expect(reason).toBe('error')
    expect(error).toMatchObject({ code: 'HF_ERR_EVENT_INVALID' })
    expect((error as Error).message).toMatch('Buffer')
  })

  test('that fails ends it as error', async () => {
    const testbed = await Testbed.serving(() =>
      Readable.from(
        (async function* () {
          yield 'one'
          await nextTurn()
          throw new Error('upstream')
        })(),
      ),
    )
    expect((await testbed.request('/')).body).toBe('data: one\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'error', error: { message: 'upstream' } })
  })
})

describe('what is yielded and is no event', () => {
  test.each<[string, () => Produced]>([
    [
      'a generator',
      function* (): Generator<EventInput> {
        yield 'before'
        try {
          yield { event: 'a\nb' }
        } catch (error) {
          yield (error as { code: string }).code
        }
        yield 'after'
      },
    ],
    [
      'an async generator',
      async function* (): AsyncGenerator<EventInput> {
        yield 'before'
        try {
          yield { event: 'a\nb' }
        } catch (error) {
          yield (error as { code: string }).code
        }
        yield 'after'
      },
    ],
  ])('is thrown into %s at its yield, which may catch it', async (_, fn) => {
    const testbed = await Testbed.serving(fn)
    expect((await testbed.request('/')).body).toBe(
      'data: before\n\ndata: HF_ERR_EVENT_FIELD\n\ndata: after\n\n',
    )
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 3 })
  })

  test('ends the stream as error where it is not caught; finally runs', async () => {
    let ran = false
    const testbed = await Testbed.serving(function* () {
      try {
        yield 'before'
        yield 5 as never
        yield 'never'
      } finally {
        ran = true
      }
    })
    expect((await testbed.request('/')).body).toBe('data: before\n\n')
    expect(await testbed.closeInfo()).toMatchObject({
      reason: 'error',
      error: { code: 'HF_ERR_EVENT_INVALID' },
    })
    expect(ran).toBe(true)
    await testbed.idle()
  })

  test('ends an iterator that has no throw() as error, and returns it', async () => {
    let returned = false
    const testbed = await Testbed.serving(() => ({
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: 5 as never }),
        return: () => {
          returned = true
          return { done: true, value: undefined }
        },
      }),
    }))
    await testbed.request('/')
    expect((await testbed.closeInfo()).reason).toBe('error')
    expect(returned).toBe(true)
  })

  test('thrown by send(), it leaves the stream open', async () => {
    const testbed = await Testbed.serving(async (stream) => {
      for (const wrong of [{ id: 'a\0' }, { data: 1n }, { dta: 'x' }, () => 'x']) {
        try {
          stream.send(wrong as EventInput)
        } catch (error) {
          stream.send((error as { code: string }).code)
        }
      }
      try {
        stream.comment(5 as never)
      } catch (error) {
        stream.comment((error as { code: string }).code)
      }
    })
    expect((await testbed.request('/')).body).toBe(
      'data: HF_ERR_EVENT_FIELD\n\ndata: HF_ERR_EVENT_DATA\n\ndata: HF_ERR_EVENT_INVALID\n\n' +
        'data: HF_ERR_EVENT_INVALID\n\n: HF_ERR_EVENT_FIELD\n',
    )
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 4 })
  })
})
