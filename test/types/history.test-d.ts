/* oxlint-disable vitest/expect-expect -- that it compiles, or does not, is what is asserted */
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { describe, expectTypeOf, test } from 'vitest'
import { History, type EventInput, type Producer } from '../../src/index.ts'
import { openStream, type OpenedStream, type ReceivedEvent } from '../../src/testing/index.ts'

declare const app: FastifyInstance
declare const reply: FastifyReply
declare const event: ReceivedEvent
const history: History = new History()

describe('a history', () => {
  test('takes events without an id', () => {
    expectTypeOf(history.push('key', { event: 'e', data: { any: 'thing' } })).toEqualTypeOf<string>()
    history.push('key', 'text')
    // @ts-expect-error the history gives the ids
    history.push('key', { id: 1, data: 'x' })
    // @ts-expect-error a key is a string
    history.push(undefined, 'x')
  })

  test('is followed by a producer without input, whose events can be iterated over', () => {
    expectTypeOf(history.follow('key')).toExtend<Producer>()
    reply.sse(history.follow('key', { from: 'oldest', after: undefined }))
    reply.sse(async function* (stream) {
      for await (const next of history.follow('key')(stream)) {
        expectTypeOf(next).toEqualTypeOf<EventInput>()
        yield next
      }
    })
    // @ts-expect-error no such place
    history.follow('key', { from: 'start' })
  })
})

describe('openStream', () => {
  test('takes an app of any server, or a URL', () => {
    expectTypeOf(openStream(app, { path: '/' })).toEqualTypeOf<Promise<OpenedStream>>()
    void openStream('http://localhost')
    void openStream(new URL('http://localhost'))
    void openStream(Fastify({ logger: true }))
    void openStream(Fastify({ http2: true }))
    // @ts-expect-error no target
    void openStream()
  })

  test('gives typed events', () => {
    expectTypeOf<OpenedStream['next']>().returns.toEqualTypeOf<Promise<ReceivedEvent | undefined>>()
    expectTypeOf<ReceivedEvent['event']>().toEqualTypeOf<string>()
    expectTypeOf(event.json()).toBeUnknown()
    expectTypeOf(event.json<{ n: number }>()).toEqualTypeOf<{ n: number }>()
  })
})
