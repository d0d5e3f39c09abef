import type { ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { http2Stream } from './head.ts'

/**
 * When a client of HTTP/2 breaks the protocol, the session tells it so (GOAWAY) and takes no more frames, in either
 * direction. Node before 22 then neither closes it nor reads on, so that it does not see its client leave.
 */
const LEAVES_THEM_OPEN = Number.parseInt(process.versions.node, 10) < 22

/**
 * Ends the session of a response whose bytes do not leave, if that is because the session is at its end.
 *
 * A PING leaves at once also where a client does not read its streams, unless the socket is full. One that stays
 * behind though nothing waits in the socket will never leave. The socket's queue has no public name in Node 20; its
 * internals change no more.
 */
export function endTerminatedSession(response: ServerResponse): void {
  const session = http2Stream(response)?.session
  if (!LEAVES_THEM_OPEN || session === undefined || session.destroyed || queuedBytes(session.socket) > 0)
    return
  const waiting = waitingFrames(session)
  session.ping(() => {})
  setImmediate(() => {
    if (session.destroyed || waitingFrames(session) <= waiting || queuedBytes(session.socket) > 0) return
    session.destroy()
  })
}

const waitingFrames = ({ state }: Http2Session): number => state.outboundQueueSize ?? 0

const queuedBytes = (socket: Socket): number =>
  // eslint-disable-next-line no-underscore-dangle -- see above
  (socket as { _handle?: { writeQueueSize?: number } })._handle?.writeQueueSize ?? Infinity
