import Fastify from 'fastify'
import { rawStream } from './raw-stream.mjs'

/** What Fastify alone costs: its request, its reply and its hooks, and a response that is taken from it. */
export async function listen(streams) {
  const app = Fastify()
  for (const [path, stream] of Object.entries(streams)) {
    app.get(path, async (_request, reply) => {
      reply.hijack()
      rawStream(reply.raw, stream)
    })
  }
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  return app.server
}
