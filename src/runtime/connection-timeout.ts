import type { ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { http2Stream } from '../sse/head.ts'

/** What Node measures the silence of: a socket, or the session of HTTP/2 that has it. Each may carry many streams. */
export type Transport = Socket | Http2Session

const watched = new WeakSet<Transport>()
const timedOut = new WeakSet<Transport>()

/**
 * From now on it is known whether a time limit of the server (Fastify's `connectionTimeout`, or a `setTimeout()` of a
 * handler) ended the connection.
 *
 * A listener to `timeout` on a request, a response or a server keeps Node from ending the connection. A listener
 * on the transport does not, and comes after that decision.
 *
 * @returns what carries the response; undefined when nothing does any more
 */
export function watchTimeout(response: ServerResponse): Transport | undefined {
  const transport = http2Stream(response)?.session ?? response.socket ?? undefined
  if (transport !== undefined && !watched.has(transport)) {
    watched.add(transport)
    transport.on('timeout', () => {
      // A listener may have told it to end, or be about to.
      process.nextTick(() => {
        if (transport.destroyed || ('writableEnded' in transport && transport.writableEnded))
          timedOut.add(transport)
      })
      if (transport.destroyed) timedOut.add(transport)
    })
  }
  return transport
}

export const hasTimedOut = (transport: Transport | undefined): boolean =>
  transport !== undefined && timedOut.has(transport)
