import type { Recording } from '../../profiler/samples/recording.ts'
import { Samples } from '../../profiler/samples/samples.ts'

/** What a process that has measured nothing records. */
export function recording(changes: Partial<Recording>): Recording {
  const none = new Samples().recorded()
  return {
    counts: {
      arrivals: 1,
      scheduled: 2,
      endedByProfiler: 3,
      withinSlo: 4,
      events: 5,
      bytes: 6,
      unstamped: 7,
      connectionsOpened: 8,
    },
    outcomes: {},
    details: {},
    statuses: {},
    samples: { ttfb: none, ttfe: none, total: none, gap: none, latency: none, lag: none },
    heat: [],
    streams: { watched: [], slowest: [] },
    loop: { activeMs: 0, idleMs: 1, polledMs: 0 },
    busy: [],
    lastEventMs: 0,
    sentForMs: 0,
    lastIntendedMs: 0,
    interrupted: false,
    ...changes,
  }
}
