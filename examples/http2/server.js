// With a key: TLS_KEY=key.pem TLS_CERT=cert.pem node server.js, then curl -kN https://localhost:3000/clock
// Without:    node server.js, then curl -N --http2-prior-knowledge http://localhost:3000/clock
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import headfirst from 'headfirst'

const { TLS_KEY, TLS_CERT, PORT = '3000' } = process.env
const app = Fastify({
  http2: true,
  forceCloseConnections: true, // app.close() does not wait for idle sessions
  ...(TLS_KEY && {
    https: { key: readFileSync(TLS_KEY), cert: readFileSync(TLS_CERT), allowHTTP1: true },
  }),
})
await app.register(headfirst)

app.get('/clock', { sse: true }, async (request, reply) =>
  reply.sse((stream) => {
    const timer = setInterval(() => stream.send(new Date().toISOString()), 1000)
    stream.signal.addEventListener('abort', () => clearInterval(timer))
  }),
)

console.log(await app.listen({ port: Number(PORT) }))
