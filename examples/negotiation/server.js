import Fastify from 'fastify'
import headfirst from 'headfirst'

const app = Fastify()
await app.register(headfirst)

const WORDS = ['The', 'head', 'leaves', 'first.']

async function* spoken() {
  for (const [id, word] of WORDS.entries()) yield { id, data: { word } }
}

// By the Accept header: curl -NH 'accept: text/event-stream' localhost:3000/words
app.get('/words', { sse: true }, async (request, reply) =>
  request.prefersEventStream() ? reply.sse(spoken) : { words: WORDS },
)

// By the body: curl -N --json '{"stream":true}' localhost:3000/completions
app.post('/completions', { sse: { accept: 'ignore' } }, async (request, reply) =>
  request.body?.stream === true ? reply.sse(spoken) : { words: WORDS },
)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
