/* oxlint-disable vitest/expect-expect -- that it compiles, or does not, is what is asserted */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { describe, expectTypeOf, test } from 'vitest'
import { producer, type EventInput, type EventStream, type PortableProducer } from '../../src/index.ts'

declare const reply: FastifyReply
declare const url: string

interface Input {
  id: string
}

declare function closure(stream: EventStream, input: Input): Promise<void>
declare function lenient(stream: EventStream, input?: Input): void

describe('a producer without input', () => {
  test('takes none', () => {
    expectTypeOf(reply.sse(() => {})).toEqualTypeOf<FastifyReply>()
    reply.sse((stream) => void stream.send('x'))
    reply.sse(async (stream) => void stream.send('x'))
  })

  test('is a generator as well', () => {
    reply.sse(function* () {
      yield 'text'
      yield { event: 'e', data: 1 }
    })
    reply.sse(async function* (stream) {
      yield stream.lastEventId ?? ''
    })
    // @ts-expect-error a generator of what is no event
    reply.sse(function* () {
      yield 5
    })
  })

  test('may return what can be iterated', () => {
    reply.sse(() => ['a', { data: 'b' }])
    reply.sse(() => Readable.from(['a']))
    reply.sse(() => new Set(['a']).values())
    // @ts-expect-error numbers are no events
    reply.sse(() => [1, 2])
    // @ts-expect-error nor is a promise of something
    reply.sse(async () => 5)
  })

  test('portable, likewise', () => {
    const portable = producer(url, async (stream) => void stream.send('x'))
    expectTypeOf(portable).toEqualTypeOf<PortableProducer>()
    reply.sse(portable)
    // @ts-expect-error no input was asked for
    reply.sse(portable, { id: 'x' })
    const generating = producer(url, function* () {
      yield 'x'
    })
    reply.sse(generating)
    // @ts-expect-error no input was asked for
    reply.sse(generating, {})
  })
})

describe('a producer with input', () => {
  test('must get it', () => {
    reply.sse(closure, { id: 'x' })
    // @ts-expect-error the input is missing
    reply.sse(closure)
    // @ts-expect-error the input is of another type
    reply.sse(closure, { id: 5 })
    // @ts-expect-error a field is missing
    reply.sse(closure, {})
    // @ts-expect-error one input only
    reply.sse(closure, { id: 'x' }, 5)
  })

  test('written in place, must get it as well', () => {
    reply.sse(async (stream, input: Input) => void stream.send(input.id), { id: 'x' })
    reply.sse(
      async (_stream, input) => {
        expectTypeOf(input).toEqualTypeOf<{ id: string }>()
      },
      { id: 'x' },
    )
    // @ts-expect-error the input is missing
    reply.sse(async (stream, input: Input) => void stream.send(input.id))
    reply.sse(
      function* (_stream, input: Input) {
        yield input.id
      },
      { id: 'x' },
    )
    reply.sse(
      function* (_stream, input: Input) {
        yield input.id
      },
      // @ts-expect-error the input is of another type
      { id: 5 },
    )
  })

  test('portable, must get it', () => {
    const portable = producer(url, async (stream, input: Input) => void stream.send(input.id))
    expectTypeOf(portable).toEqualTypeOf<PortableProducer<Input>>()
    reply.sse(portable, { id: 'x' })
    // @ts-expect-error the input is missing
    reply.sse(portable)
    // @ts-expect-error the input is of another type
    reply.sse(portable, { id: 5 })
    const generating = producer(url, async function* (_stream: EventStream, input: Input) {
      yield input.id
    })
    reply.sse(generating, { id: 'x' })
    // @ts-expect-error the input is missing
    reply.sse(generating)
  })

  test('that is optional, may get it', () => {
    reply.sse(lenient)
    reply.sse(lenient, { id: 'x' })
    reply.sse(lenient, undefined)
    // @ts-expect-error the input is of another type
    reply.sse(lenient, { id: 5 })

    const portable = producer(url, async (stream, input?: Input) => void stream.send(input?.id ?? ''))
    reply.sse(portable)
    reply.sse(portable, { id: 'x' })
    // @ts-expect-error the input is of another type
    reply.sse(portable, { id: 5 })

    const withDefault = producer(url, (stream, { id }: Input = { id: '' }) => void stream.send(id))
    reply.sse(withDefault)
    reply.sse(withDefault, { id: 'x' })
  })

  test('that is a union or a plain value, must get one of it', () => {
    const portable = producer(url, (stream, input: 'a' | 'b' | null) => void stream.send(input ?? ''))
    reply.sse(portable, 'a')
    reply.sse(portable, null)
    // @ts-expect-error not one of them
    reply.sse(portable, 'c')
    // @ts-expect-error missing
    reply.sse(portable)
  })
})

describe('what is no producer', () => {
  test('does not compile', () => {
    // @ts-expect-error no function
    reply.sse('report')
    // @ts-expect-error missing
    reply.sse()
    // @ts-expect-error no stream
    reply.sse((stream: string) => void stream)
    // @ts-expect-error a module is a string
    producer(new URL(url), () => {})
    // @ts-expect-error an unknown option
    producer(url, () => {}, { nam: 'x' })
    // @ts-expect-error of the wrong type
    producer(url, () => {}, { name: 5 })
    // @ts-expect-error numbers are no events
    producer(url, () => [1])
  })
})

describe('a stream', () => {
  test('sends events and nothing else', () => {
    const stream = {} as EventStream
    expectTypeOf(stream.send('x')).toEqualTypeOf<boolean>()
    expectTypeOf(stream.ready()).toEqualTypeOf<Promise<boolean>>()
    expectTypeOf(stream.signal).toEqualTypeOf<AbortSignal>()
    expectTypeOf(stream.lastEventId).toEqualTypeOf<string | undefined>()
    stream.send({ data: { any: 'thing' }, event: 'e', id: 5, retry: 0 })
    stream.send({ data: null, event: undefined, id: undefined })
    // @ts-expect-error an unknown field
    stream.send({ data: 'x', name: 'e' })
    // @ts-expect-error a name is a string
    stream.send({ event: 5 })
    // @ts-expect-error retry is a number
    stream.send({ retry: '5' })
    // @ts-expect-error no event
    stream.send(5)
    // @ts-expect-error no event
    stream.send(null)
    // @ts-expect-error cannot be set
    stream.closed = true
    expectTypeOf<Parameters<EventStream['send']>[0]>().toEqualTypeOf<EventInput>()
  })
})

test('the request keeps its own types', () => {
  expectTypeOf<FastifyRequest['signal']>().toEqualTypeOf<AbortSignal>()
})
