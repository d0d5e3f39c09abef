import Fastify from 'fastify'
import headfirst from 'headfirst'

// The proxy in front of the server. With it, request.ip is the address of the client, not of the proxy.
const app = Fastify({ trustProxy: 'loopback' })
await app.register(headfirst, { maxStreamsPerClient: 20 })

const clock = (stream) => {
  const timer = setInterval(() => stream.send(new Date().toISOString()), 1000)
  stream.signal.addEventListener('abort', () => clearInterval(timer))
}

// At most 20 streams per address: curl -N localhost:3000/clock
app.get('/clock', { sse: true }, async (request, reply) => reply.sse(clock))

// At most 3 streams per user, from any address: curl -NH 'x-user: ada' localhost:3000/mine
app.get(
  '/mine',
  { sse: { maxStreamsPerClient: 3, clientKey: (request) => request.headers['x-user'] } },
  async (request, reply) => reply.sse(clock),
)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
