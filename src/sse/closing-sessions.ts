import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { http2Stream } from './head.ts'

/**
 * The HTTP/2 sessions that carry streams when their server closes.
 *
 * A server waits for its sessions, which clients keep when their streams have ended, and for ever for that of a
 * client that has vanished.
 */
export class ClosingSessions {
  readonly #sockets = new Map<ServerHttp2Session, Socket>()
  #onEmpty: (() => void) | undefined

  /** Tells the client (GOAWAY; RFC 9113, 6.8): what it has open goes on to its end, and then its session ends. */
  close(response: ServerResponse): void {
    const session = http2Stream(response)?.session as ServerHttp2Session | undefined
    if (session === undefined || session.destroyed || this.#sockets.has(session)) return
    // A session shows its socket through a proxy that hides destroy(). once() is passed on to the socket, and
    // answers with it. Its close, not that of the session, is what the server waits for.
    const socket = session.socket.once('close', () => {
      this.#sockets.delete(session)
      if (this.#sockets.size === 0) this.#onEmpty?.()
    })
    this.#sockets.set(session, socket)
    session.close()
  }

  /** Resolves when none is left. */
  async closed(): Promise<void> {
    if (this.#sockets.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve))
  }

  /** Ends the connections that are left, in the next turn of the loop: what this one wrote may still leave. */
  destroy(): void {
    for (const socket of this.#sockets.values()) setImmediate(() => socket.destroy())
  }
}
