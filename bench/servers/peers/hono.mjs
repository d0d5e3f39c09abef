import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { once } from 'node:events'
import { createServer } from 'node:http'

/** With the least that takes a `fetch` handler's response to `node:http`, in place of `@hono/node-server`. */
export async function listen(streams) {
  const app = new Hono()
  for (const [path, { name, work, events, payload }] of Object.entries(streams)) {
    app.get(path, (context) =>
      streamSSE(context, async (stream) => {
        if (name === 'block') {
          await stream.writeSSE({ data: '0 begins' })
          await stream.writeSSE({ data: `1 ${work()}` })
          return
        }
        for (let number = 0; number < events; number++) {
          await stream.writeSSE({ data: JSON.stringify(payload(number)) })
        }
      }),
    )
  }
  async function answer(request, response) {
    const { status, headers, body } = await app.fetch(new Request(`http://127.0.0.1${request.url}`))
    response.writeHead(status, Object.fromEntries(headers))
    const reader = body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (!response.write(value)) await once(response, 'drain')
    }
    response.end()
  }
  const server = createServer((request, response) => void answer(request, response))
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  return server
}
