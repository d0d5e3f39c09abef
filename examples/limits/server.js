import Fastify from 'fastify'
import headfirst from 'headfirst'

// Who stands in front of the server, so that request.ip is the client and not the proxy.
const app = Fastify({ trustProxy: 'loopback' })
await app.register(headfirst, { maxStreamsPerClient: 20 })

const clock = (stream) => {
  const timer = setInterval(() => stream.send(new Date().toISOString()), 1000)
  stream.signal.addEventListener('abort', () => clearInterval(timer))
}

// At most twenty from one address: curl -N localhost:3000/clock
app.get('/clock', { sse: true }, async (request, reply) => reply.sse(clock))

// At most three of one user, wherever they are: curl -NH 'x-user: ada' localhost:3000/mine
app.get(
  '/mine',
  { sse: { maxStreamsPerClient: 3, clientKey: (request) => request.headers['x-user'] } },
  async (request, reply) => reply.sse(clock),
)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
