import { type FastifyRequest } from 'fastify'
import {
  workers,
  type EventStream,
  type Producer,
  type RouteOptions,
  type WorkersOptions,
} from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'

export type Options = Omit<RouteOptions<FastifyRequest>, 'onClose'>

/** A server with one route, `/`, that is compressed. */
export async function serve<Input>(
  producer: Producer<Input>,
  input: Input,
  options: Options = {},
  pool: WorkersOptions = {},
): Promise<Testbed> {
  const testbed = await Testbed.make({
    compress: true,
    // On a machine with much else to do, threads of a lower priority would hardly run at all.
    executors: { workers: workers({ threads: 1, niceIncrement: 0, ...pool }) },
    ...options,
  })
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer as Producer<unknown>, input))
  return testbed
}

export const one = async (stream: EventStream): Promise<void> => {
  stream.send('one')
}

export const nothing = (): void => {}
