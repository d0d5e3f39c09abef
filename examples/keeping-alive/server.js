// server.js: watch it with curl -N localhost:3000/ticks
import { setTimeout as pass } from 'node:timers/promises'
import Fastify from 'fastify'
import headfirst from 'headfirst'

const app = Fastify()
await app.register(headfirst, {
  heartbeatMs: 1_000, // so short only for this example
  retryMs: { min: 2_000, max: 5_000 },
  timeouts: { totalMs: 3_600_000 },
  onClose: ({ reason, error }) => console.log(reason, error?.message ?? ''),
})

app.get('/ticks', { sse: { timeouts: { firstEventMs: 2_000, idleMs: 5_000 } } }, async (request, reply) =>
  reply.sse(async (stream) => {
    for (let n = 1; n <= 3; n++) {
      stream.send({ data: { n } })
      await pass(500)
    }
    // No more events are sent: idleMs closes the stream, and the signal ends this wait.
    await pass(86_400_000, undefined, { signal: stream.signal })
  }),
)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
