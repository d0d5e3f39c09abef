import type { ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { http2Stream } from './head.ts'

/**
 * If an HTTP/2 client breaks the protocol, its session sends GOAWAY and takes no more frames in either direction. Node
 * before 22 then neither closes nor reads such a session, and does not notice when its client leaves.
 */
const LEAVES_THEM_OPEN = Number.parseInt(process.versions.node, 10) < 22

/**
 * PINGs of this module that may be unanswered in one session. Node allows ten in all, and the app may send some too.
 */
const MOST_PINGS = 3

interface Looked {
  /** Bytes that the session had written to its socket at the last check. */
  bytesWritten: number
  /** Unanswered PINGs of this module. */
  pings: number
  /** True while a PING is being sent: the other streams of the session need none. */
  isAsked: boolean
}

const sessions = new WeakMap<Http2Session, Looked>()

/**
 * Checks the session of a response whose bytes do not leave, and destroys it if it is terminated.
 *
 * If the session has written nothing since the last check, and nothing waits in its socket, a PING is sent. A live
 * session writes it by the next turn of the event loop, even if its client reads none of its streams. A terminated
 * session writes nothing. Node 20 has no public name for the queue of a socket; its internals do not change any more.
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
  // Node writes the frames of one turn before the immediates of the next one.
  setImmediate(() =>
    setImmediate(() => {
      looked.isAsked = false
      if (session.destroyed || session.socket.bytesWritten !== looked.bytesWritten || isFull(session)) return
      session.destroy()
    }),
  )
}

/** True if earlier writes still wait for the client. */
function isFull({ socket }: Http2Session): boolean {
  // eslint-disable-next-line no-underscore-dangle -- see above
  const queued = (socket as Socket & { _handle?: { writeQueueSize?: number } })._handle?.writeQueueSize
  return queued !== 0
}
