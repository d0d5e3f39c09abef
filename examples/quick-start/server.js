// server.js
import Fastify from 'fastify'
import headfirst, { workers } from 'headfirst'
import { report } from './report.js'

const app = Fastify({ logger: true })
await app.register(headfirst, {
  executors: { reports: workers({ streamsPerThread: 1 }) },
})

app.get('/report/:id', { sse: { executor: 'reports' } }, async (request, reply) =>
  reply.sse(report, { id: request.params.id }),
)

app.get('/clock', { sse: true }, async (request, reply) =>
  reply.sse((stream) => {
    const timer = setInterval(() => stream.send(new Date().toISOString()), 1000)
    stream.signal.addEventListener('abort', () => clearInterval(timer))
  }),
)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
