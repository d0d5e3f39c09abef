/** Reads all that a server sent on a connection, and takes nothing that is not HTTP/1.1 (RFC 9112). */

export interface StrictResponse {
  status: number
  fields: [name: string, value: string][]
  body: Buffer
  complete: boolean
}

const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) [\t\x20-\x7e]*$/
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t\x20-\x7e\x80-\xff]*)$/

/**
 * @returns the responses; the last may be cut short, since a client that has half-closed is taken for gone
 * @throws Error for what is no response
 */
export function readResponses(bytes: Buffer): StrictResponse[] {
  const responses: StrictResponse[] = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end === -1) throw new Error(`half a head: ${excerpt(bytes, at)}`)
    const [line = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n')
    const status = Number(STATUS_LINE.exec(line)?.[1])
    if (Number.isNaN(status)) throw new Error(`no status line: ${excerpt(bytes, at)}`)
    const fields = lines.map((each): [string, string] => {
      const [, name, value] = FIELD_LINE.exec(each) ?? []
      if (name === undefined || value === undefined) throw new Error(`no field: ${JSON.stringify(each)}`)
      return [name.toLowerCase(), value]
    })
    const response = { status, fields, body: Buffer.alloc(0), complete: true }
    at = readBody(bytes, end + 4, response)
    responses.push(response)
  }
  return responses
}

/**
 * Fastify (its `clientErrorHandler`) says what it thinks of garbage behind a request, and hangs up, also where a
 * response is on its way. Only who has sent the garbage gets to see it, and finds it where a chunk has to be.
 */
const isLastWord = (bytes: Buffer, at: number): boolean =>
  /^HTTP\/1\.1 4\d\d [^]*\{"error":"[\w ]+","message":"[^{}]*\}$/.test(bytes.toString('latin1', at))

/** @returns where what follows begins */
function readBody(bytes: Buffer, from: number, response: StrictResponse): number {
  const { status, fields } = response
  const valueOf = (name: string): string | undefined => fields.find(([each]) => each === name)?.[1]
  if (status < 200 || status === 204 || status === 304) return from
  const length = valueOf('content-length')
  if (length !== undefined) {
    if (!/^\d+$/.test(length)) throw new Error(`no length: ${length}`)
    // An answer to HEAD has a length, and no body.
    if (bytes.toString('latin1', from, from + 5) === 'HTTP/') return from
    response.body = bytes.subarray(from, from + Number(length))
    response.complete = response.body.length === Number(length)
    return from + response.body.length
  }
  if (valueOf('transfer-encoding') === undefined) {
    // Until the connection closes (HTTP/1.0), or nothing (HEAD).
    if (bytes.toString('latin1', from, from + 5) === 'HTTP/') return from
    const lastWord = bytes.lastIndexOf('HTTP/1.1 4')
    const end = lastWord !== -1 && isLastWord(bytes, lastWord) ? lastWord : bytes.length
    response.body = bytes.subarray(from, end)
    // Whether that was all nobody can tell who has closed the connection from the other side.
    response.complete = false
    return bytes.length
  }
  return readChunks(bytes, from, response)
}

function readChunks(bytes: Buffer, from: number, response: StrictResponse): number {
  const chunks: Buffer[] = []
  let at = from
  const end = (next: number, complete: boolean): number => {
    response.body = Buffer.concat(chunks)
    response.complete = complete
    return next
  }
  // An answer to HEAD says that it would be chunked.
  if (bytes.toString('latin1', at, at + 5) === 'HTTP/') return end(at, true)
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return end(bytes.length, false)
    const line = bytes.toString('latin1', at, lineEnd)
    if (isLastWord(bytes, at)) return end(bytes.length, false)
    if (!/^[0-9a-f]+$/.test(line)) throw new Error(`no chunk: ${excerpt(bytes, at)}`)
    const size = Number.parseInt(line, 16)
    const next = lineEnd + 2 + size + 2
    if (next > bytes.length) return end(bytes.length, false)
    if (bytes.toString('latin1', next - 2, next) !== '\r\n')
      throw new Error(`no end: ${excerpt(bytes, next)}`)
    if (size === 0) return end(next, true)
    chunks.push(bytes.subarray(lineEnd + 2, next - 2))
    at = next
  }
}

const excerpt = (bytes: Buffer, at: number): string => JSON.stringify(bytes.toString('latin1', at, at + 200))
