/** A server whose producer stands in the process's entry module; tells on stdout how requests to it went. */
import Fastify from 'fastify'
import headfirst, { producer, workers, type EventStream, type PortableProducer } from '../../src/index.ts'

export const one: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  stream.send('one')
})

const app = Fastify()
await app.register(headfirst, { executors: { workers: workers({ threads: 1 }) } })
app.get('/workers', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(one))
app.get('/inline', { sse: true }, async (_, reply) => reply.sse(one))

const { statusCode: status, body } = await app.inject('/workers')
const { body: onInline } = await app.inject('/inline')
const { code, message } = JSON.parse(body) as { code: string; message: string }
// A second server, on a thread, would write a second line.
process.stdout.write(`${JSON.stringify({ status, code, message, onInline, servers: 1 })}\n`)
await app.close()
