import { connect, type Socket } from 'node:net'
import { ResponseParser } from '../load/response-parser.ts'

export interface Visit {
  port: number
  path: string
  headers?: string
  /** Leaves once it has so many events, with a reset instead of a goodbye where it says so. */
  leave?: { afterEvents: number; reset: boolean }
  /** Reads nothing for so long after each read. */
  restMs?: number
  /** Never reads, and leaves after so many ms, unless the server closes before. */
  deafForMs?: number
  /** Takes the body itself, in place of counting events. */
  onBody?: (text: string) => void
}

/** A client that does not behave as `StreamClient` does: it leaves, takes its time, or does not read at all. */
export class Visitor {
  readonly parser: ResponseParser
  /** Settles when the connection is closed, whoever did it. */
  readonly over: Promise<void>
  /** It was this client that has closed. */
  left = false
  readonly #socket: Socket
  readonly #visit: Visit
  #rest: NodeJS.Timeout | undefined

  constructor(visit: Visit) {
    const { port, path, headers = '', deafForMs, onBody } = visit
    this.#visit = visit
    this.parser = new ResponseParser(
      undefined,
      onBody === undefined
        ? undefined
        : {
            coding: undefined,
            onCoded: (chunk, from, to) => onBody(chunk.toString('utf8', from, to)),
          },
    )
    const socket = (this.#socket = connect({ host: '127.0.0.1', port, noDelay: true }))
    this.over = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.once('close', () => clearTimeout(this.#rest))
    // What broke it is seen by what has not come.
    socket.on('error', () => {})
    if (deafForMs === undefined) socket.on('data', (chunk: Buffer) => this.#read(chunk))
    else {
      socket.pause()
      this.#rest = setTimeout(() => this.leave(false), deafForMs)
    }
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/event-stream\r\n${headers}Connection: close\r\n\r\n`,
    )
  }

  leave(reset: boolean): void {
    if (this.#socket.destroyed) return
    this.left = true
    if (reset) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    const { leave, restMs } = this.#visit
    try {
      this.parser.push(chunk)
    } catch {
      // Not complete then, which counts as what it is.
      this.#socket.destroy()
      return
    }
    if (leave !== undefined && this.parser.body.events >= leave.afterEvents) this.leave(leave.reset)
    else if (restMs !== undefined && !this.parser.complete) {
      this.#socket.pause()
      this.#rest = setTimeout(() => this.#socket.resume(), restMs)
    }
  }
}
