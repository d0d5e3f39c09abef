import { createSession } from 'better-sse'
import { once } from 'node:events'
import { createServer } from 'node:http'

/**
 * A server whose sessions send nothing but the events that are compared.
 *
 * @param send sends a stream's events. better-sse does not look at what the response answers: this has to
 */
export async function listenWith(streams, send) {
  async function answer(request, response) {
    const session = await createSession(request, response, { retry: null, keepAlive: null })
    await send(session, response, streams[request.url])
    response.end()
  }
  const server = createServer((request, response) => void answer(request, response))
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  return server
}
