/* oxlint-disable vitest/expect-expect -- that it compiles, or does not, is what is asserted */
import type { FastifyRequest } from 'fastify'
import { expectTypeOf, test } from 'vitest'
import type { SseRouteOptions } from '../../src/index.ts'

declare const request: FastifyRequest

test('prefersEventStream() takes a type, several, or none', () => {
  expectTypeOf(request.prefersEventStream()).toEqualTypeOf<boolean>()
  request.prefersEventStream('text/html')
  request.prefersEventStream(['text/html', 'application/json'] as const)
  // @ts-expect-error no type
  request.prefersEventStream(5)
})

test('accept is one of two words', () => {
  expectTypeOf<SseRouteOptions['accept']>().toEqualTypeOf<'strict' | 'ignore' | undefined>()
})
