// A chat: a reader that reconnects gets the messages that it has missed.
import Fastify from 'fastify'
import headfirst, { History } from 'headfirst'

const app = Fastify()
await app.register(headfirst)

const rooms = new History({ maxEvents: 500, maxKeys: 1000 })

app.post('/rooms/:room', async (request) => ({
  id: rooms.push(request.params.room, { event: 'said', data: request.body }),
}))

app.get('/rooms/:room', { sse: { retryMs: 1000 } }, async (request, reply) =>
  reply.sse(rooms.follow(request.params.room, { from: 'oldest' })),
)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
