/** The figures of a profile, raw: what a program computes with. */
import type { Held } from '../load/holding.ts'
import type { Measurement, Plan } from '../plan.ts'
import type { Document } from '../report/document.ts'
import type { ServerView } from '../server-view/server-view.ts'
import type { Capacity } from '../verdict/capacity.ts'
import type { Findings, Threshold } from './findings.ts'

/** Version of the shape of {@link ProfileResults}. */
const VERSION = 1

/**
 * What `report.document.results` holds. Names that end in `Ms` are in ms, as all figures of a {@link Measurement}'s
 * metrics; rates are in streams per second, shares from 0 to 1.
 */
export interface ProfileResults {
  /** Of this shape: 1. */
  version: number
  /** What was to be measured. Without the request, whose headers may hold a secret. */
  plan: Pick<Plan, 'load' | 'end' | 'stamp' | 'slo'>
  /** Of a search for a capacity: that of the highest rate that held. Undefined where the first step was interrupted. */
  measurement: Measurement | undefined
  /** The `thresholds`, in their order. */
  judged: readonly Threshold[]
  /** What `findCapacity` has found; undefined without it. */
  capacity: Capacity | undefined
  /** The server's own view; undefined without `serverProfile`. */
  server: ServerView | undefined
  /** What has become of the streams of `hold`; undefined without it. */
  held: Held | undefined
}

/** The report of a profile. */
export interface ProfileDocument extends Document {
  /** Absent where the run was interrupted before anything was measured. */
  results?: ProfileResults
}

/** @returns undefined where nothing was measured */
export function resultsOf(findings: Findings): ProfileResults | undefined {
  const { plan, measurement, judged, capacity, server, held } = findings
  if (measurement === undefined && capacity === undefined) return undefined
  const { load, end, stamp, slo } = plan
  return {
    version: VERSION,
    plan: { load, end, stamp, slo },
    measurement,
    judged,
    capacity,
    server,
    held,
  }
}
