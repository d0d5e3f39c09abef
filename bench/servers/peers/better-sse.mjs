import { createEventBuffer } from 'better-sse'
import { once } from 'node:events'
import { listenWith } from './better-sse-server.mjs'

/** Each event on its own, without the name and the random id that `session.push()` would add to it. */
export const listen = async (streams) =>
  listenWith(streams, async (session, response, { name, work, events, payload }) => {
    if (name === 'block') {
      session.push('0 begins')
      session.push(`1 ${work()}`)
      return
    }
    const buffer = createEventBuffer()
    for (let number = 0; number < events; number++) {
      buffer.clear().data(payload(number)).dispatch()
      session.batch(buffer)
      if (response.writableNeedDrain) await once(response, 'drain')
    }
  })
