import { StringDecoder } from 'node:string_decoder'
import { createParser } from 'eventsource-parser'
import { nowMs } from '../clock.ts'
import { EventScanner } from './event-scanner.ts'
import type { Stamp } from '../plan.ts'

/** Counts the events of one body, and tells how long each was on its way where it says when it was sent. */
export interface EventReader {
  readonly events: number
  scan(chunk: Buffer, from: number, to: number): void
}

/** @param onLatency called with the ms since each event's stamp; undefined for an event without one */
export function eventReader(
  stamp: Stamp | undefined,
  onLatency: (ms: number | undefined) => void,
): EventReader {
  return stamp === undefined ? new EventScanner() : new StampedEvents(stamp, onLatency)
}

/** Reads what is in the events, which costs several times what counting them does. */
class StampedEvents implements EventReader {
  events = 0
  readonly #decoder = new StringDecoder('utf8')
  readonly #parser: { feed(text: string): void }

  constructor(stamp: Stamp, onLatency: (ms: number | undefined) => void) {
    this.#parser = createParser({
      onEvent: ({ data }) => {
        this.events++
        const at = stampIn(data, stamp)
        onLatency(at === undefined ? undefined : clock(stamp) - at)
      },
    })
  }

  scan(chunk: Buffer, from: number, to: number): void {
    this.#parser.feed(this.#decoder.write(chunk.subarray(from, to)))
  }
}

function clock({ unit }: Stamp): number {
  return unit === 'ns' ? nowMs() : performance.timeOrigin + performance.now()
}

/** In ms. */
function stampIn(data: string, { path, unit }: Stamp): number | undefined {
  let found: unknown = data
  try {
    if (path.length > 0) found = JSON.parse(data)
  } catch {
    return undefined
  }
  for (const key of path) found = (found as Record<string, unknown> | null | undefined)?.[key]
  if (typeof found === 'string' && path.length === 0) found = /^\s*[\d.]+/.exec(found)?.[0]
  if (typeof found !== 'string' && typeof found !== 'number') return undefined
  const number = Number(found)
  if (!Number.isFinite(number) || found === '') return undefined
  return unit === 'ns' ? number / 1e6 : number
}
