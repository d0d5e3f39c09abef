import Fastify from 'fastify'
import headfirst from 'headfirst'

const app = Fastify({ logger: true })
await app.register(headfirst, {
  onError: (error, stream, request) => {
    stream.send({ event: 'failed', data: { requestId: request.id } })
  },
})

app.get('/answer', { sse: true }, async (request, reply) =>
  reply.sse(async function* () {
    yield 'thinking'
    await new Promise((resolve) => setTimeout(resolve, 500))
    throw new Error('upstream at 10.0.0.7 refused the password')
  }),
)

await app.listen({ port: Number(process.env.PORT ?? 3000) })
