/** A stream without any library, over a response of `node:http`. */

/** What headfirst sends. */
const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
}

const subscribers = new Set()

/**
 * @param {import('node:http').ServerResponse} response
 * @param {{ name: string }} stream `single`: one event and the end; `subscribe`: kept open
 */
export function rawStream(response, { name }) {
  response.writeHead(200, HEADERS)
  response.flushHeaders()
  if (name === 'single') {
    response.write('data: 0 only\n\n')
    response.end()
  } else {
    subscribers.add(response)
  }
}
