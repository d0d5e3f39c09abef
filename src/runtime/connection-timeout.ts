import type { ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { http2Stream } from '../sse/head.ts'

/** Node's timeouts act on a socket, or on the HTTP/2 session that has it. Each may carry many streams. */
export type Transport = Socket | Http2Session

const watched = new WeakSet<Transport>()
const timedOut = new WeakSet<Transport>()

/**
 * Notes whether a time limit of the server ends the connection: Fastify's `connectionTimeout`, or a `setTimeout()` of a
 * handler.
 *
 * A listener to `timeout` on a request, a response or a server keeps Node from ending the connection. A listener
 * on the transport does not, and comes after that decision.
 *
 * @returns what carries the response; undefined when its connection is gone
 */
export function watchTimeout(response: ServerResponse): Transport | undefined {
  const transport = http2Stream(response)?.session ?? response.socket ?? undefined
  if (transport !== undefined && !watched.has(transport)) {
    watched.add(transport)
    transport.on('timeout', () => {
      // Another listener ends it, now or in this turn.
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
