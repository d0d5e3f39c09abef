import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import headfirst from 'headfirst'

const app = Fastify({ logger: true })
await app.register(headfirst, { graceMs: 3000 })

app.get('/count', { sse: true }, async (request, reply) =>
  reply.sse(async function* (stream) {
    try {
      for (let n = 0; ; n++) {
        yield { id: n, data: n }
        await sleep(1000, undefined, { signal: stream.signal })
      }
    } finally {
      request.log.info('the counter has stopped')
    }
  }),
)

process.once('SIGINT', () => void app.close())
process.once('SIGTERM', () => void app.close())
await app.listen({ port: Number(process.env.PORT ?? 3000) })
