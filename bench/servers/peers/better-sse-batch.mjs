import { createEventBuffer } from 'better-sse'
import { once } from 'node:events'
import { listenWith } from './better-sse-server.mjs'

/** More make it no faster. */
const BATCH = 100

/** Batches that the program makes itself: no event leaves before the batch is full. */
export const listen = async (streams) =>
  listenWith(streams, async (session, response, { events, payload }) => {
    const buffer = createEventBuffer()
    for (let number = 0; number < events;) {
      buffer.clear()
      for (const end = Math.min(number + BATCH, events); number < end; number++) {
        buffer.data(payload(number)).dispatch()
      }
      await session.batch(buffer)
      if (response.writableNeedDrain) await once(response, 'drain')
    }
  })
