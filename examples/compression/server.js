// server.js
import Fastify from 'fastify'
import headfirst from 'headfirst'

const app = Fastify()
await app.register(headfirst)

const row = (_, id) => `<tr id="row-${id}"><td>user ${id}</td><td>${Math.random().toFixed(3)}</td></tr>`

// Similar fragments of HTML become much smaller. Each event leaves as soon as it is sent.
app.get('/table', { sse: { compress: true } }, async (request, reply) =>
  reply.sse((stream) => {
    const send = () => stream.send({ event: 'patch', data: Array.from({ length: 30 }, row).join('') })
    send()
    const timer = setInterval(send, 1000)
    stream.signal.addEventListener('abort', () => clearInterval(timer))
  }),
)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
