import Fastify from 'fastify'
import { FastifySSEPlugin } from 'fastify-sse-v2'

export async function listen(streams) {
  const app = Fastify()
  await app.register(FastifySSEPlugin, { retryDelay: false })
  for (const [path, { name, work, events, payload }] of Object.entries(streams)) {
    app.get(path, (_request, reply) => {
      reply.sse(
        (async function* () {
          if (name === 'block') {
            yield { data: '0 begins' }
            yield { data: `1 ${work()}` }
            return
          }
          for (let number = 0; number < events; number++) yield { data: JSON.stringify(payload(number)) }
        })(),
      )
    })
  }
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app.server
}
