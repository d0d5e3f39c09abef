import type { FastifyServerOptions } from 'fastify'
import { workers, type HeadfirstOptions, type Producer, type SseRouteOptions } from '../../src/index.ts'
import { Testbed } from '../plugin/testbed.ts'

export { EXECUTORS } from './executors.ts'

/** A testbed whose `workers` are two threads at the server's own priority, so that a busy machine lets them run. */
export async function makeTestbed(
  options: Omit<HeadfirstOptions, 'onClose'> = {},
  server: FastifyServerOptions = {},
): Promise<Testbed> {
  const { executors, ...rest } = options
  return Testbed.make(
    {
      executors: { workers: workers({ threads: 2, niceIncrement: 0 }), ...executors },
      // A client on the same machine may be behind for a moment.
      maxBuffered: 2 ** 28,
      ...rest,
    },
    server,
  )
}

/** Adds a route with one producer. */
export function route<Input>(
  { app }: Testbed,
  path: string,
  producer: Producer<Input>,
  input: Input,
  options: SseRouteOptions = {},
): void {
  app.get(path, { sse: options }, async (_, reply) => reply.sse(producer as Producer<unknown>, input))
}

/** Turns of the event loop: enough for whatever was about to happen in the next ones to have happened. */
export async function turns(): Promise<void> {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve))
}
