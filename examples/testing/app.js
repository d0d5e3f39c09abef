import Fastify from 'fastify'
import headfirst from 'headfirst'

export async function makeApp() {
  const app = Fastify()
  await app.register(headfirst)

  app.get('/countdown/:from', { sse: true }, async (request, reply) => {
    const from = Number(request.params.from)
    if (!(from <= 10)) return reply.code(400).send({ message: 'from 10 at most' })
    return reply.sse(function* () {
      for (let left = from; left > 0; left--) yield { event: 'left', id: left, data: { left } }
    })
  })

  return app
}
