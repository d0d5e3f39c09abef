/** A client on a thread of its own, for tests in which the server's thread is blocked. */
import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { makeFlags, type Flags } from './flags.ts'

export interface ObserverSettings {
  port: number
  path: string
  headers: Record<string, string>
  /** Whether the body is left unread until {@link Observer.read}. */
  paused: boolean
  flags: Flags
}

export type ObserverCommand = 'leave' | 'read'

export interface Observed {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
  /** False when the connection broke before the response was complete. */
  complete: boolean
}

export interface ObserverOptions {
  headers?: Record<string, string>
  paused?: boolean
  flags?: Flags
}

/** It sees bytes arrive while the server's thread is blocked. */
export class Observer {
  /** What has happened so far; a producer can wait on it, too. */
  readonly flags: Flags
  readonly #worker: Worker
  readonly #observed: Promise<Observed>

  constructor(port: number, path: string, options: ObserverOptions = {}) {
    const { headers = {}, paused = false, flags = makeFlags() } = options
    this.flags = flags
    const settings: ObserverSettings = { port, path, headers, paused, flags }
    this.#worker = new Worker(new URL(`./observer-thread${extname(import.meta.url)}`, import.meta.url), {
      workerData: settings,
    })
    this.#observed = once(this.#worker, 'message').then(([observed]) => observed as Observed)
    this.#observed.catch(() => {})
  }

  /** What was received, once the response is over. */
  async over(): Promise<Observed> {
    return this.#observed
  }

  /** Closes the connection in the middle. */
  leave(): void {
    this.#worker.postMessage('leave' satisfies ObserverCommand)
  }

  /** Ends its thread, and with it the connection. */
  async dismiss(): Promise<void> {
    await this.#worker.terminate()
  }

  /** Begins to read what `paused` has left unread. */
  read(): void {
    this.#worker.postMessage('read' satisfies ObserverCommand)
  }
}
