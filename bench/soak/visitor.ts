import { Connection, type ConnectionUser } from '../../profiler/client/connection.ts'
import type { EventBody } from '../../profiler/client/event-body.ts'
import { ResponseReader } from '../../profiler/client/response-reader.ts'
import { endpointOf, requestFor } from '../load/target-streams.ts'

export interface Visit {
  port: number
  path: string
  headers?: readonly string[]
  /** Leaves once it has so many events, with a reset instead of a goodbye where that is set. */
  leave?: { afterEvents: number; reset: boolean }
  /** Reads nothing for so long after each read. */
  restMs?: number
  /** Never reads, and leaves after so many ms, unless the server closes before. */
  deafForMs?: number
  /** What reads the events. */
  body: EventBody
}

/** A client that does not behave: it leaves, takes its time, or does not read at all. */
export class Visitor implements ConnectionUser {
  readonly reader: ResponseReader
  /** Settles when the connection is closed, from either side. */
  readonly over: Promise<void>
  /** It was this client that has closed. */
  left = false
  readonly #connection: Connection
  readonly #visit: Visit
  #rest: NodeJS.Timeout | undefined
  #end: () => void = () => {}

  constructor(visit: Visit) {
    const { port, path, headers, deafForMs, body } = visit
    this.#visit = visit
    this.reader = new ResponseReader(body)
    this.over = new Promise((resolve) => (this.#end = resolve))
    this.#connection = new Connection(endpointOf({ port }))
    this.#connection.user = this
    if (deafForMs !== undefined) {
      this.#connection.pause()
      this.#rest = setTimeout(() => this.leave(false), deafForMs)
    }
    this.#connection.write(requestFor({ port, path, headers }))
  }

  connected(): void {}

  received(chunk: Buffer): void {
    const { leave, restMs, body } = this.#visit
    try {
      this.reader.push(chunk)
    } catch {
      // Not complete then, which counts as what it is.
      this.#connection.destroy()
      this.closed()
      return
    }
    if (leave !== undefined && body.events >= leave.afterEvents) this.leave(leave.reset)
    else if (restMs !== undefined && !this.reader.complete) {
      this.#connection.pause()
      this.#rest = setTimeout(() => this.#connection.resume(), restMs)
    }
  }

  leave(reset: boolean): void {
    if (this.#connection.isClosed) return
    this.left = true
    if (reset) this.#connection.reset()
    else this.#connection.destroy()
    this.closed()
  }

  /** What broke it shows in what has not come. */
  closed(): void {
    clearTimeout(this.#rest)
    this.#end()
  }
}
