/** What the reference server does, for its own process and for the one that checks what was measured of it. */
export const DELAYS: Readonly<Record<'usualMs' | 'rareMs' | 'eventMs' | 'gapMs' | 'stallMs', number>> = {
  usualMs: 10,
  rareMs: 500,
  eventMs: 10,
  gapMs: 20,
  stallMs: 2_000,
}

/** Of one stream. */
export const FLOOD_EVENTS = 200_000
