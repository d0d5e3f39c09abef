import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { get, RawClient } from './raw-client.ts'

/** A bare HTTP server, closed when the test has finished. */
export async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** A response of that server whose head has left. */
export async function served(server: Server): Promise<ServerResponse> {
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  response.flushHeaders()
  return response
}

/** A response of a real server, and the client that receives it. */
export async function serveOne(): Promise<{ response: ServerResponse; client: RawClient }> {
  const { server, port } = await listen()
  const client = await RawClient.connect(port)
  client.send(get('/'))
  const response = await served(server)
  await client.head()
  return { response, client }
}
