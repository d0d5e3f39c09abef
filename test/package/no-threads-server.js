// A server whose pool may not be able to start threads: prints its address, and its counts when it is asked for them.
// With a user's number as argument it becomes that user, since no limit of processes binds root.
import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'
import headfirst, { workers } from 'headfirst'
import { exits, two } from './no-threads-producers.js'

// Starts the threads that Node makes for itself when they are first needed.
await readFile(new URL(import.meta.url))

const app = Fastify()
await app.register(headfirst, {
  executors: { workers: workers({ threads: 2, streamsPerThread: 1, niceIncrement: 0 }) },
})
app.get('/two', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(two))
app.get('/exits', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(exits))
app.get('/stats', async () => app.sse.stats().executors['workers'])
const url = await app.listen({ port: 0, host: '127.0.0.1' })
const [user] = process.argv.slice(2)
if (user !== undefined) process.setuid?.(Number(user))
console.log(url)
