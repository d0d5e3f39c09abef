// The producers of the tests.
import { setTimeout as pass } from 'node:timers/promises'
import { producer } from 'headfirst'

/** Sends the id of its process, then numbers. */
export const ticks = producer(
  import.meta.url,
  async function* (stream) {
    yield { data: process.pid }
    for (let n = 0; ; n++) {
      yield { data: n }
      await pass(5, undefined, { signal: stream.signal })
    }
  },
  { name: 'ticks' },
)

/** Its process is cut off from the server, and lives on for a while. */
export const leaving = producer(
  import.meta.url,
  async (stream) => {
    stream.send('leaving')
    process.removeAllListeners('disconnect')
    // Its other producers go on to send.
    process.on('error', () => {})
    process.disconnect()
    setTimeout(() => process.exit(), 500)
  },
  { name: 'leaving' },
)
