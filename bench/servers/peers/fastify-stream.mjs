import Fastify from 'fastify'
import { Readable } from 'node:stream'
import { HEADERS } from './raw-stream.mjs'

/** What Fastify takes for any stream that runs its hooks. No byte leaves before the first event. */
export async function listen(streams) {
  const app = Fastify()
  for (const path of Object.keys(streams)) {
    app.get(path, async (_request, reply) =>
      reply.headers(HEADERS).send(Readable.from(['data: 0 only\n\n'], { objectMode: false })),
    )
  }
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  return app.server
}
