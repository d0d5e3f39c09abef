import type { FastifyRequest } from 'fastify'
import type { Executor, Producer, RouteOptions } from '../../src/index.ts'
import type { DecodingClient } from '../support/decoding-client.ts'
import { Testbed } from '../support/testbed.ts'
import { watching, type Watched } from '../support/watched-executor.ts'

/** A server with one route, `/`, on this executor. */
export async function serve<Input>(
  executor: Executor,
  producer: Producer<Input>,
  input: Input,
  options: Omit<RouteOptions<FastifyRequest>, 'onClose'>,
): Promise<{ testbed: Testbed; watched: Watched }> {
  const watched: Watched = { most: 0, buffered: () => 0, events: () => 0 }
  const testbed = await Testbed.make({
    executor: 'own',
    executors: { own: watching(executor, watched) },
    ...options,
  })
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer as Producer<unknown>, input))
  return { testbed, watched }
}

/** The numbers of the events that have come, in order. */
export const numbersIn = ({ events }: DecodingClient): number[] =>
  events.filter((data) => data !== 'last').map((data) => Number(data.split(' ', 1)[0]))

export const dropped = ({ app }: Testbed): number | undefined => app.sse.stats().routes['GET /']?.dropped

/** More than the kernel's buffers hold, in events of 64 KiB. */
export const FLOOD = { count: 300, size: 65_536 }
export const FRAME_BYTES = 100
