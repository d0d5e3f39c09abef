/**
 * Loaded before anything else, on every thread: each look at the clock finds it hours away from the last one, back or
 * forth.
 */
const HOUR_MS = 3_600_000
const TrueDate = Date
let looks = 0

function now(): number {
  const hours = [0, 5, -7, 12, -48, 1][looks++ % 6] as number
  return TrueDate.now() + hours * HOUR_MS
}

class SteppingDate extends TrueDate {
  constructor(...args: unknown[]) {
    if (args.length === 0) super(now())
    else super(...(args as [number]))
  }

  static override now(): number {
    return now()
  }
}

globalThis.Date = SteppingDate as DateConstructor
