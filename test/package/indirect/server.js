// A server whose producer stands in its own module; asks itself for streams, and prints how that went.
import Fastify from 'fastify'
import headfirst, { producer } from 'headfirst'

export const report = producer(import.meta.url, async (stream) => {
  stream.send('never')
})

const app = Fastify()
await app.register(headfirst)
app.get('/', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(report))
const url = await app.listen({ port: 0, host: '127.0.0.1' })

async function ask() {
  const answers = []
  for (let n = 0; n < 3; n++) {
    const response = await fetch(url)
    const body = await response.text()
    answers.push({ status: response.status, ...(body.startsWith('{') ? JSON.parse(body) : {}) })
  }
  // A second server, on a thread, would write a second line.
  console.log(JSON.stringify(answers))
  await app.close()
}

// When this module has loaded: whoever finds the producer in it waits for that.
setImmediate(() => void ask())
