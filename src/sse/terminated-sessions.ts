import type { ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { http2Stream } from './head.ts'

/**
 * When a client of HTTP/2 breaks the protocol, the session tells it so (GOAWAY) and takes no more frames, in either
 * direction. Node before 22 then neither closes it nor reads on, so that it does not see its client leave.
 */
const LEAVES_THEM_OPEN = Number.parseInt(process.versions.node, 10) < 22

/** PINGs without an answer that a session may have from here. Node allows ten in all, and the app may want some. */
const MOST_PINGS = 3

interface Looked {
  /** What the session had written to its socket when it was last looked at. */
  bytesWritten: number
  /** PINGs without an answer so far. */
  pings: number
  /** A PING is on its way out: its other streams need none. */
  isAsked: boolean
}

const sessions = new WeakMap<Http2Session, Looked>()

/**
 * Looks at the session of a response whose bytes do not leave: one that is at its end is ended.
 *
 * Where nothing has left since the last look, and nothing waits in the socket, a PING shows which it is. It leaves by
 * the next turn of the event loop, also where a client reads none of its streams; a session at its end writes nothing
 * any more. The queue of a socket has no public name in Node 20; its internals change no more.
 */
export function endTerminatedSession(response: ServerResponse): void {
  const session = http2Stream(response)?.session
  if (!LEAVES_THEM_OPEN || session === undefined || session.destroyed) return
  const { bytesWritten } = session.socket
  const looked = sessions.get(session)
  if (looked === undefined) sessions.set(session, { bytesWritten, pings: 0, isAsked: false })
  else if (looked.bytesWritten !== bytesWritten) looked.bytesWritten = bytesWritten
  else if (!looked.isAsked && !isFull(session) && looked.pings < MOST_PINGS) ping(session, looked)
}

function ping(session: Http2Session, looked: Looked): void {
  looked.pings++
  if (!session.ping(() => looked.pings--)) return
  looked.isAsked = true
  // Node writes what a turn has brought before the immediates of the next one.
  setImmediate(() =>
    setImmediate(() => {
      looked.isAsked = false
      if (session.destroyed || session.socket.bytesWritten !== looked.bytesWritten || isFull(session)) return
      session.destroy()
    }),
  )
}

/** What was written before waits for the client to take it. */
function isFull({ socket }: Http2Session): boolean {
  // eslint-disable-next-line no-underscore-dangle -- see above
  const queued = (socket as Socket & { _handle?: { writeQueueSize?: number } })._handle?.writeQueueSize
  return queued !== 0
}
