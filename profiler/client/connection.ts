import { connect as connectPlainly, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectSecurely } from 'node:tls'
import type { Outcome, Target } from '../plan.ts'
import { depart } from './departures.ts'

/** Where a connection leads. */
export interface Endpoint extends Pick<Target, 'host' | 'port' | 'socketPath' | 'tls'> {
  /** The client's own address. Default: the system's choice. */
  localAddress?: string | undefined
}

/** The user of a connection at the moment. */
export interface ConnectionUser {
  connected(): void
  received(chunk: Buffer): void
  /** @param failure undefined where the server has closed the connection in order */
  closed(failure: { outcome: Outcome; message: string } | undefined): void
}

/** All plain sockets read into this one: what they read is parsed before anything else is. */
const READ_BUFFER = Buffer.allocUnsafe(65_536)
/** How long the server may take to close what it was asked to close. */
const CLOSING_MS = 1_000

const UNREACHED = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'ENOTSOCK',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
])
const OF_THIS_MACHINE = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'])
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

/** A raw socket to the server: HTTP clients show a response only once its head is parsed, and cost more. */
export class Connection {
  user: ConnectionUser | undefined
  /** It has had a user before this one. */
  reused = false
  readonly #socket: Socket
  #isConnected = false
  #failure: { outcome: Outcome; message: string } | undefined
  #isClosed = false

  /** @param onIdleClose called when it closes while it has no user */
  constructor(
    { host, port, socketPath, tls, localAddress }: Endpoint,
    onIdleClose: (connection: Connection) => void = () => {},
  ) {
    const place =
      socketPath === undefined
        ? {
            host: host as string,
            port: port as number,
            ...(localAddress === undefined ? {} : { localAddress }),
          }
        : { path: socketPath }
    const received = (chunk: Buffer): void => {
      if (this.user === undefined) this.destroy()
      else this.user.received(chunk)
    }
    if (tls === undefined) {
      const onread = {
        buffer: READ_BUFFER,
        callback: (length: number, buffer: Uint8Array) => {
          received((buffer as Buffer).subarray(0, length))
          return true
        },
      }
      this.#socket = connectPlainly({ ...place, noDelay: true, onread })
    } else {
      const { servername, ca, insecure } = tls
      this.#socket = connectSecurely({
        ...place,
        // A name, and never an address (RFC 6066, 3), though that is what the certificate has to be of.
        ...(isIP(servername) === 0 ? { servername } : {}),
        checkServerIdentity: (_host, certificate) => checkServerIdentity(servername, certificate),
        rejectUnauthorized: !insecure,
        ALPNProtocols: ['http/1.1'],
        ...(ca === undefined ? {} : { ca }),
      })
      this.#socket.setNoDelay(true)
      this.#socket.on('data', received)
    }
    this.#socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      this.#isConnected = true
      this.user?.connected()
    })
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure = { outcome: this.#outcomeOf(error, tls !== undefined), message: messageOf(error) }
    })
    this.#socket.on('close', () => {
      this.#isClosed = true
      if (this.user === undefined) onIdleClose(this)
      else this.user.closed(this.#failure)
    })
  }

  get isClosed(): boolean {
    return this.#isClosed || this.#socket.destroyed
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Reads nothing more until `resume()`, so that the server has to wait. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  destroy(): void {
    this.user = undefined
    this.#socket.destroy()
  }

  /** The same with a reset, and no orderly end. */
  reset(): void {
    this.user = undefined
    this.#socket.resetAndDestroy()
  }

  /** It has no user for now, and may have another. */
  keep(): void {
    this.user = undefined
    this.reused = true
  }

  /**
   * It has no more users. The server is given time to close it, so that ports of this machine are free again at once,
   * and is heard of a little later only.
   */
  leave(): void {
    this.user = undefined
    this.#socket.pause()
    depart(() => {
      this.#socket.setTimeout(CLOSING_MS, () => this.#socket.destroy())
      this.#socket.resume()
    })
  }

  #outcomeOf({ code = '' }: NodeJS.ErrnoException, isSecure: boolean): Outcome {
    if (OF_THIS_MACHINE.has(code)) return 'local'
    if (this.#isConnected || BROKEN.has(code)) return 'reset'
    if (UNREACHED.has(code)) return 'refused'
    return isSecure ? 'tls' : 'refused'
  }
}

/** OpenSSL's words between the address of an object of its own and the line of its source. */
const OPENSSL = /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/

function messageOf(error: Error & { errors?: Error[] }): string {
  const reason = OPENSSL.exec(error.message)?.[1]
  if (reason !== undefined) return `TLS: ${reason}`
  return error.message === '' ? (error.errors?.[0]?.message ?? error.name) : error.message
}
