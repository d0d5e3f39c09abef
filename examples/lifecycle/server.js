import Fastify from 'fastify'
import headfirst from 'headfirst'

const app = Fastify({ logger: true })
await app.register(headfirst, {
  onOpen: (stream) => stream.comment('welcome'),
  onClose: ({ reason, events, timings }, request) => {
    request.log.info({ reason, events, openMs: timings.closedMs - timings.headMs }, 'stream closed')
  },
})

app.get('/ticks', { sse: true }, async (request, reply) =>
  reply.sse((stream) => {
    const timer = setInterval(() => stream.send(new Date().toISOString()), 1000)
    stream.signal.addEventListener('abort', () => {
      clearInterval(timer)
      request.log.info(`no more ticks: ${stream.signal.reason.reason}`)
    })
  }),
)

await app.listen({ port: Number(process.env.PORT ?? 3000) })
