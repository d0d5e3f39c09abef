import { once } from 'node:events'
import { createServer, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { readFileSync } from 'node:fs'
import { connect as connectTls } from 'node:tls'
import { onTestFinished } from 'vitest'
import type { Chunk } from '../../src/sse/backlog.ts'

/** Writes the body of a response, up to its end. */
export type WriteBody = (response: ServerResponse) => void | Promise<void>

const read = (name: string): Buffer => readFileSync(new URL(`../support/${name}`, import.meta.url))

const get = (version: string, connection: string): string =>
  `GET / HTTP/${version}\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`

export type Connection =
  'HTTP/1.1' | 'HTTP/1.1, kept alive and pipelined' | 'HTTP/1.0' | 'HTTP/1.0, kept alive' | 'TLS'

/** What a client sends, by the name of a connection. The last request closes it. */
export const REQUESTS: Readonly<Record<Connection, string>> = {
  'HTTP/1.1': get('1.1', 'close'),
  'HTTP/1.1, kept alive and pipelined':
    get('1.1', 'keep-alive') + get('1.1', 'keep-alive') + get('1.1', 'close'),
  'HTTP/1.0': get('1.0', 'close'),
  'HTTP/1.0, kept alive': get('1.0', 'keep-alive'),
  TLS: get('1.1', 'close'),
}

/** A server whose responses are all written in the same way; closed after the test. */
export async function serve(
  writeBody: WriteBody,
  connection: Connection = 'HTTP/1.1',
  options: ServerOptions = {},
): Promise<number> {
  const answer = (_: unknown, response: ServerResponse): void => {
    // Two responses can be compared byte for byte.
    response.sendDate = false
    response.setHeader('content-type', 'text/event-stream')
    response.flushHeaders()
    void Promise.resolve(writeBody(response)).then(() => response.end())
  }
  const server: Server =
    connection === 'TLS'
      ? createTlsServer({ key: read('test-only-key.pem'), cert: read('test-only-certificate.pem') }, answer)
      : createServer(options, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Opens a connection, and sends its requests. */
export function open(port: number, connection: Connection = 'HTTP/1.1'): Socket {
  const socket =
    connection === 'TLS'
      ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write(REQUESTS[connection])
  return socket
}

/** All bytes of a connection, up to its end. */
export async function received(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of socket) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** All bytes that a client gets of responses that are written so, heads included. */
export async function wire(writeBody: WriteBody, connection: Connection = 'HTTP/1.1'): Promise<Buffer> {
  return received(open(await serve(writeBody, connection), connection))
}

/** Writes a chunk as Node does, in one system call. */
export function writeByNode(response: ServerResponse, chunk: Chunk): void {
  response.cork()
  response.write(chunk)
  response.uncork()
}
