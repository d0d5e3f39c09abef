import { once } from 'node:events'
import { createServer } from 'node:http'
import { rawStream } from './raw-stream.mjs'

export async function listen(streams) {
  const server = createServer((request, response) => rawStream(response, streams[request.url]))
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  await once(server, 'listening')
  return server
}
