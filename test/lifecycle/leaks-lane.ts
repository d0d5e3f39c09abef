import { once } from 'node:events'
import { connect, type NetConnectOpts, type Socket } from 'node:net'

/** A client that sends one request after another on one connection, or leaves. */
export class Lane {
  readonly #address: NetConnectOpts
  #socket: Socket | undefined
  #text = ''
  #wake: (() => void) | undefined

  constructor(address: NetConnectOpts) {
    this.#address = address
  }

  /** @returns head and body, as far as they came when the connection broke */
  async request(path: string, method = 'GET'): Promise<string> {
    await this.ask(path, method)
    await this.over(method)
    return this.#text
  }

  /** What has come since it asked last. */
  get text(): string {
    return this.#text
  }

  /** Has its head and its first event, and stays. */
  async stay(path: string, first = 'data: 0\n\n'): Promise<void> {
    await this.ask(path)
    await this.#until(() => this.#text.includes(first) || this.#gone)
  }

  /** The response is complete, or its connection is gone. */
  async over(method = 'GET'): Promise<void> {
    await this.#until(() => isComplete(this.#text, method) || this.#gone)
  }

  async close(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    if (socket === undefined || socket.closed) return
    socket.destroy()
    await once(socket, 'close')
  }

  get #gone(): boolean {
    return this.#socket === undefined || this.#socket.destroyed
  }

  /** @param paused whether nothing is ever read */
  async ask(path: string, method = 'GET', paused = false): Promise<void> {
    let socket = this.#socket
    if (socket === undefined || socket.destroyed) {
      socket = this.#socket = connect(this.#address)
      if (paused) socket.pause()
      else
        socket.setEncoding('latin1').on('data', (text: string) => {
          this.#text += text
          this.#wake?.()
        })
      // What broke the connection is seen by what has not come.
      socket.on('error', () => {}).on('close', () => this.#wake?.())
      await once(socket, 'connect')
    }
    this.#text = ''
    socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}

function isComplete(text: string, method: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return false
  if (method === 'HEAD' || text.startsWith('HTTP/1.1 204')) return true
  const [, length] = /^content-length: (\d+)/im.exec(text) ?? []
  return length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length === end + 4 + Number(length)
}
