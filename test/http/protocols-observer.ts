/** The thread of a client over TLS or HTTP/2: one request, told in flags while the server's thread is blocked. */
import { connect } from 'node:http2'
import { request } from 'node:https'
import type { Readable } from 'node:stream'
import { parentPort, workerData } from 'node:worker_threads'
import { Flag, raise, type Flags } from '../../src/testing/flags.ts'
import { CERTIFICATE, isHttp2, origin, type Protocol, type TlsRequestOptions } from '../support/protocols.ts'

const { protocol, port, path, flags } = workerData as {
  protocol: Protocol
  port: number
  path: string
  flags: Flags
}
const url = origin(protocol, port)

if (isHttp2(protocol)) {
  const session = connect(url, { ca: CERTIFICATE })
  const stream = session.request({ ':path': path })
  stream.on('response', () => raise(flags, Flag.HEAD))
  read(stream, () => session.close())
} else {
  const options: TlsRequestOptions = { ca: CERTIFICATE, agent: false, ALPNProtocols: ['http/1.1'] }
  request(`${url}${path}`, options, (response) => {
    raise(flags, Flag.HEAD)
    read(response, () => {})
  }).end()
}

function read(response: Readable, onEnd: () => void): void {
  let body = ''
  response.setEncoding('utf8')
  response.on('data', (text: string) => {
    const before = body.split('\n\n').length
    body += text
    for (let n = body.split('\n\n').length; n > before; n--) raise(flags, Flag.EVENTS)
  })
  response.on('end', () => {
    parentPort?.postMessage(body)
    onEnd()
  })
}
