// server.js
import Fastify from 'fastify'
import headfirst from 'headfirst'

const app = Fastify()
await app.register(headfirst)

// If a screen is behind, it needs the newest price of each name, not those that it has missed.
const sse = {
  maxBuffered: 65_536,
  overflow: { latest: 'event' },
  onClose: ({ reason, events, dropped }) => console.log(`${reason}: ${events} events, ${dropped} dropped`),
}
app.get('/prices', { sse }, async (request, reply) =>
  reply.sse((stream) => {
    const tick = () => ['ACME', 'INIT'].forEach((event) => stream.send({ event, data: Math.random() }))
    const timer = setInterval(tick, 10)
    stream.signal.addEventListener('abort', () => clearInterval(timer))
  }),
)

// A download needs every row: the generator waits while more than highWaterMark bytes wait for the client.
app.get('/rows', { sse: true }, async (request, reply) =>
  reply.sse(function* () {
    for (let row = 0; row < 1_000_000; row++) yield { id: row, data: { row } }
  }),
)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
