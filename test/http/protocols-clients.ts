import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as requestTls } from 'node:https'
import { expect } from 'vitest'
import type { HeadfirstOptions } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { Http2Client } from '../support/http2-client.ts'
import {
  CERTIFICATE,
  isHttp2,
  origin,
  SERVERS,
  type Protocol,
  type TlsRequestOptions,
} from '../support/protocols.ts'
import { EXECUTORS } from '../support/executors.ts'

export const PROTOCOLS = Object.keys(SERVERS) as Protocol[]
export const HTTP2: Protocol[] = PROTOCOLS.filter(isHttp2)
export const matrix = (protocols: Protocol[]): [Protocol, string][] =>
  protocols.flatMap((protocol) => EXECUTORS.map((executor): [Protocol, string] => [protocol, executor]))

export const make = async (
  protocol: Protocol,
  options: Omit<HeadfirstOptions, 'onClose'> = {},
): Promise<Testbed> => Testbed.make(options, SERVERS[protocol])

export const connect = async (testbed: Testbed, protocol: Protocol): Promise<Http2Client> =>
  Http2Client.connect(origin(protocol, await testbed.listen()))

export interface Got {
  status: number | undefined
  headers: Record<string, unknown>
  body: string
  complete: boolean
}

/**
 * The whole of one response, over whichever protocol.
 *
 * @param mayRead its body is not read before this resolves
 */
export async function receive(
  testbed: Testbed,
  protocol: Protocol,
  path: string,
  { method = 'GET', mayRead }: { method?: string; mayRead?: Promise<void> } = {},
): Promise<Got> {
  const port = await testbed.listen()
  if (isHttp2(protocol)) {
    const client = await Http2Client.connect(origin(protocol, port))
    const response = client.open(path, { ':method': method }, false)
    await mayRead
    response.read()
    const { headers = {}, body, complete } = await response.over()
    client.session.close()
    return { status: Number(headers[':status']), headers, body, complete }
  }
  const options: TlsRequestOptions = { ca: CERTIFICATE, agent: false, ALPNProtocols: ['http/1.1'], method }
  const sent = requestTls(`${origin(protocol, port)}${path}`, options).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  expect(response.httpVersion).toBe('1.1')
  await mayRead
  let body = ''
  for await (const text of response.setEncoding('utf8')) body += text as string
  return { status: response.statusCode, headers: response.headers, body, complete: response.complete }
}
