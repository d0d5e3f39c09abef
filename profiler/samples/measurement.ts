/** What several processes have recorded of one run, summarised as if it had been one. */
import { sums } from '../parts.ts'
import { HeatMap } from './heat-map.ts'
import { polling, utilisation } from './loop-time.ts'
import type { Measurement, Plan } from '../plan.ts'
import { METRICS, type Recording } from './recording.ts'
import { SampledStreams } from './sampled-streams.ts'
import { Samples } from './samples.ts'

/**
 * @param startMs when the first stream was to begin, on the host's monotonic clock
 * @param recordings one of each process, at least one, all of the same plan
 */
export function measurementOf(
  { load, stamp }: Plan,
  startMs: number,
  recordings: readonly Recording[],
): Measurement {
  const latest = (of: (recording: Recording) => number): number => Math.max(...recordings.map(of))
  const sentForMs = latest((recording) => recording.sentForMs)
  const interrupted = recordings.some((recording) => recording.interrupted)
  const windowMs = interrupted ? Math.max(1, sentForMs - load.warmupMs) : load.durationMs
  const samples = samplesOf(recordings)
  const heat = new HeatMap(load)
  for (const recording of recordings) heat.include(recording.heat)
  // Which arrivals are watched, the processes have settled.
  const streams = new SampledStreams(0)
  streams.include(recordings.map((recording) => recording.streams))
  const loop = recordings
    .map((recording) => recording.loop)
    .reduce((one, other) => (utilisation(other) > utilisation(one) ? other : one))
  return {
    ...sums(recordings.map(({ counts }) => counts)),
    generators: recordings.length,
    startMs,
    outcomes: sums(recordings.map(({ outcomes }) => outcomes)),
    // Of each outcome that of the first process that has one.
    details: Object.assign({}, ...recordings.map(({ details }) => details).toReversed()) as object,
    statuses: sums(recordings.map(({ statuses }) => statuses)),
    windowMs,
    receivedForMs: Math.max(windowMs, latest(({ lastEventMs }) => lastEventMs) - load.warmupMs),
    ttfb: samples.ttfb.summary(),
    ttfe: samples.ttfe.summary(),
    total: samples.total.summary(),
    gap: samples.gap.summary(),
    latency: stamp === undefined ? undefined : samples.latency.summary(),
    lag: samples.lag.summary(),
    lagP99Ms: samples.lag.percentile(0.99),
    utilisation: utilisation(loop),
    polling: polling(loop),
    sentForMs,
    lastIntendedMs: latest(({ lastIntendedMs }) => lastIntendedMs),
    heat: { secondsPerColumn: heat.secondsPerColumn, rows: heat.rows, counts: heat.counts },
    busy: busiest(recordings).map(([ms, share]) => [(ms - load.warmupMs) / 1_000, share]),
    sampled: streams.all(),
    interrupted,
  }
}

function samplesOf(recordings: readonly Recording[]): Record<(typeof METRICS)[number], Samples> {
  const entries = METRICS.map((metric) => {
    const samples = new Samples()
    for (const recording of recordings) samples.include(recording.samples[metric])
    return [metric, samples] as const
  })
  return Object.fromEntries(entries) as Record<(typeof METRICS)[number], Samples>
}

/** Of each second the process that was busiest then. */
function busiest(recordings: readonly Recording[]): [ms: number, share: number][] {
  const seconds = new Map<number, [ms: number, share: number]>()
  for (const point of recordings.flatMap(({ busy }) => busy)) {
    const second = Math.round(point[0] / 1_000)
    const known = seconds.get(second)
    if (known === undefined || point[1] > known[1]) seconds.set(second, point)
  }
  return [...seconds.values()].toSorted(([one], [other]) => one - other)
}
