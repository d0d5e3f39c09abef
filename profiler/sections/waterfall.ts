/** Some streams, phase by phase. */
import type { Waterfall } from '../report/document.ts'
import type { Measurement } from '../plan.ts'

export function waterfall({ sampled }: Measurement): Waterfall {
  return {
    kind: 'waterfall',
    title: 'Some streams, from their intended start',
    rows: sampled.map((stream) => {
      const { atMs, lagMs, connectedMs, firstByteMs, firstEventMs, overMs, outcome, eventsMs } = stream
      const phases: { name: string; fromMs: number; untilMs: number }[] = []
      let fromMs = 0
      const add = (name: string, untilMs: number | undefined): void => {
        if (untilMs === undefined || untilMs <= fromMs) return
        phases.push({ name, fromMs, untilMs })
        fromMs = untilMs
      }
      add('late', lagMs)
      add('connect', connectedMs)
      add('first byte', firstByteMs)
      add('first event', firstEventMs)
      add('stream', overMs)
      const failed = outcome === 'good' ? '' : ` ${outcome}`
      return { label: `${(atMs / 1_000).toFixed(2)} s${failed}`, phases, marksMs: eventsMs }
    }),
    notes: ['Spread over the run, with a mark for each event; and the slowest, without marks.'],
  }
}
