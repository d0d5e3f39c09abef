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
 * @param {{ name: string }} stream `single`: one event and the end; `subscribe`: kept open; `block`: an event, work,
 *   another event
 * @param {object} [options]
 * @param {boolean} options.flush whether the head is handed to the kernel at once; else it leaves with what follows
 * @param {boolean} options.atOnce whether an event is handed to the kernel before `write()` returns; else it leaves with
 *   the end, at the end of the turn
 */
export function rawStream(response, { name, work }, { flush = true, atOnce = false } = {}) {
  response.writeHead(200, HEADERS)
  if (flush) response.flushHeaders()
  if (name === 'subscribe') {
    subscribers.add(response)
    return
  }
  const send = (data) => {
    if (atOnce) response.cork()
    response.write(`data: ${data}\n\n`)
    if (atOnce) response.uncork()
  }
  if (name === 'block') {
    send('0 begins')
    send(`1 ${work()}`)
  } else {
    send('0 only')
  }
  response.end()
}

export async function listenRaw(streams, options) {
  const server = createServer((request, response) => rawStream(response, streams[request.url], options))
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  await once(server, 'listening')
  return server
}
