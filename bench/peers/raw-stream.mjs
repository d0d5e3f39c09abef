/** Streams without any library, over the responses of `node:http`. */
import { once } from 'node:events'
import { createServer } from 'node:http'

/** What headfirst sends. */
export const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
}

const subscribers = new Set()

/**
 * @param {import('node:http').ServerResponse} response
 * @param {{ name: string }} stream `single`: one event and the end; `subscribe`: kept open
 * @param {boolean} atOnce whether the event is handed to the kernel before `write()` returns; else it leaves with the
 *   end, at the end of the turn
 */
export function rawStream(response, { name }, atOnce = false) {
  response.writeHead(200, HEADERS)
  response.flushHeaders()
  if (name === 'subscribe') {
    subscribers.add(response)
    return
  }
  if (atOnce) response.cork()
  response.write('data: 0 only\n\n')
  if (atOnce) response.uncork()
  response.end()
}

export async function listenRaw(streams, atOnce) {
  const server = createServer((request, response) => rawStream(response, streams[request.url], atOnce))
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  await once(server, 'listening')
  return server
}
