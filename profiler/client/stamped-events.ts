import { nowMs } from '../clock.ts'
import type { Stamp } from '../plan.ts'
import type { BodyListener } from './event-body.ts'
import { ParsedEvents } from './parsed-events.ts'

/** Reads in each event when it was sent. */
export class StampedEvents extends ParsedEvents {
  constructor(stamp: Stamp, listener: Pick<BodyListener, 'stamped'>) {
    super(({ data }) => {
      const sentMs = stampIn(data, stamp)
      listener.stamped(Number.isNaN(sentMs) ? undefined : clock(stamp) - sentMs, sentMs)
    })
  }
}

function clock({ unit }: Stamp): number {
  return unit === 'ns' ? nowMs() : performance.timeOrigin + performance.now()
}

/** In ms; NaN where there is none. */
function stampIn(data: string, { path, unit }: Stamp): number {
  let found: unknown = data
  try {
    if (path.length > 0) found = JSON.parse(data)
  } catch {
    return NaN
  }
  for (const key of path) found = (found as Record<string, unknown> | null | undefined)?.[key]
  if (typeof found === 'string' && path.length === 0) found = /^\s*[\d.]+/.exec(found)?.[0]
  if ((typeof found !== 'string' && typeof found !== 'number') || found === '') return NaN
  const number = Number(found)
  if (!Number.isFinite(number)) return NaN
  return unit === 'ns' ? number / 1e6 : number
}
