import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { http2Stream } from './head.ts'

/**
 * The HTTP/2 sessions that carry streams when their server closes.
 *
 * `server.close()` waits until its sessions end. A client keeps its session when its streams have ended, and the
 * session of a client that has vanished never ends by itself.
 */
export class ClosingSessions {
  readonly #sockets = new Map<ServerHttp2Session, Socket>()
  #onEmpty: (() => void) | undefined

  /** Sends GOAWAY (RFC 9113, 6.8): open streams continue to their end, then the session ends. */
  close(response: ServerResponse): void {
    const session = http2Stream(response)?.session as ServerHttp2Session | undefined
    if (session === undefined || session.destroyed || this.#sockets.has(session)) return
    // `session.socket` is a proxy without destroy(). Its once() runs on the real socket and returns it. The server
    // waits for the socket's close, not for the session's.
    const socket = session.socket.once('close', () => {
      this.#sockets.delete(session)
      if (this.#sockets.size === 0) this.#onEmpty?.()
    })
    this.#sockets.set(session, socket)
    session.close()
  }

  /** Resolves when all of them are closed. */
  async closed(): Promise<void> {
    if (this.#sockets.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve))
  }

  /**
   * Ends the remaining connections in the next turn of the event loop, so that what this turn wrote can still leave.
   */
  destroy(): void {
    for (const socket of this.#sockets.values()) setImmediate(() => socket.destroy())
  }
}
