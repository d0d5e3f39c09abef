import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** One response as it came over the wire, complete or still on its way. */
export interface Received {
  status: number
  /** By lower-case name; of a name that came several times, all values, joined with `, `. */
  headers: Record<string, string>
  /** The body without its framing. */
  body: string
  /** The body as it was framed: what the server handed over in one write is one chunk. */
  chunks: string[]
  /** By lower-case name; what came after the last chunk (RFC 9112, 7.1.2). */
  trailers: Record<string, string>
  complete: boolean
}

/** A client on a bare socket: it sends any text, several requests at once if need be. */
export class RawClient {
  readonly socket: Socket
  /** In the order in which they came; the last may be incomplete. */
  readonly responses: Received[] = []
  /** Methods of the requests whose response has not begun: one to a HEAD has no body. */
  readonly #methods: string[] = []
  #unparsed: Buffer = Buffer.alloc(0)
  /** What came after it: put together when it is enough, since each time all of a long chunk would be copied. */
  #pieces: Buffer[] = []
  /** Bytes that have to come before anything more can be parsed, as far as that is known. */
  #missing = 0
  #closed = false
  #waiting: (() => void)[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes) => {
      this.#pieces.push(bytes)
      this.#missing -= bytes.length
      if (this.#missing > 0) return
      this.#unparsed = Buffer.concat([this.#unparsed, ...this.#pieces.splice(0)])
      this.#missing = 0
      while (this.#parse());
      this.#wake()
    })
    // A connection that breaks is seen as closed.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    const client = new RawClient(socket)
    onTestFinished(() => client.destroy())
    return client
  }

  /** Sends text as it stands: see {@link get}. */
  send(text: string): void {
    for (const [, method = ''] of text.matchAll(/^([A-Z]+) \S+ HTTP\/1\.[01]\r$/gm))
      this.#methods.push(method)
    this.socket.write(text, 'latin1')
  }

  /** The response of this number once its head is here. */
  async head(number = 0): Promise<Received> {
    await this.until(() => this.responses.length > number, `response ${number}`)
    return this.responses[number] as Received
  }

  /** The response of this number once it is complete. */
  async response(number = 0): Promise<Received> {
    await this.until(() => this.responses[number]?.complete === true, `the end of response ${number}`)
    return this.responses[number] as Received
  }

  /** The response of this number once its body contains a text. */
  async including(text: string, number = 0): Promise<Received> {
    await this.until(() => this.responses[number]?.body.includes(text) === true, JSON.stringify(text))
    return this.responses[number] as Received
  }

  /** Resolves when the connection is closed. */
  async closed(): Promise<void> {
    if (!this.#closed) await once(this.socket, 'close')
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Resolves when a condition holds; rejects when the connection closes before it does. */
  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.#closed) {
        throw new Error(`Closed before ${what} came. What came: ${JSON.stringify(this.responses)}`)
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Parses one step: a head, a chunk, a body. False when bytes are missing. */
  #parse(): boolean {
    const current = this.responses.at(-1)
    if (current === undefined || current.complete) return this.#parseHead()
    const length = current.headers['content-length']
    if (length === undefined) return this.#parseChunk(current)
    const body = this.#take(Number(length))
    if (body === undefined) return false
    current.body = body.toString()
    current.complete = true
    return true
  }

  #parseHead(): boolean {
    const end = this.#unparsed.indexOf('\r\n\r\n')
    if (end === -1) return false
    const [statusLine = '', ...fields] = (this.#take(end + 4) as Buffer).toString('latin1').split('\r\n')
    const status = Number(statusLine.split(' ')[1])
    if (status === 100) return true
    const headers = parseFields(fields)
    const bodiless = this.#methods.shift() === 'HEAD' || status === 204 || status === 304
    this.responses.push({ status, headers, body: '', chunks: [], trailers: {}, complete: bodiless })
    return true
  }

  #parseChunk(current: Received): boolean {
    const lineEnd = this.#unparsed.indexOf('\r\n')
    if (lineEnd === -1) return false
    const size = Number.parseInt(this.#unparsed.toString('latin1', 0, lineEnd), 16)
    if (Number.isNaN(size)) {
      // Something else was written into the response: nothing of it can be read any more.
      this.#unparsed = Buffer.alloc(0)
      return false
    }
    if (size === 0) {
      const atOnce = this.#unparsed.indexOf('\r\n\r\n')
      if (atOnce === -1) return false
      const fields = (this.#take(atOnce + 4) as Buffer).toString('latin1').split('\r\n').slice(1)
      current.trailers = parseFields(fields)
      current.complete = true
      return true
    }
    const framed = this.#take(lineEnd + 2 + size + 2)
    if (framed === undefined) return false
    const chunk = framed.toString('utf8', lineEnd + 2, lineEnd + 2 + size)
    current.chunks.push(chunk)
    current.body += chunk
    return true
  }

  #take(length: number): Buffer | undefined {
    this.#missing = length - this.#unparsed.length
    if (this.#missing > 0) return undefined
    const taken = this.#unparsed.subarray(0, length)
    this.#unparsed = this.#unparsed.subarray(length)
    return taken
  }
}

function parseFields(lines: string[]): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon === -1) continue
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`
  }
  return fields
}

/** The text of a request without a body. */
export function get(path: string, headers: Record<string, string> = {}, method = 'GET'): string {
  const fields = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return [`${method} ${path} HTTP/1.1`, ...fields, '', ''].join('\r\n')
}
