/**
 * What a profile finds, and how: this folder runs a profile ({@link runProfile}), holds what was measured and judged,
 * and has the verdict of it.
 */
import type { Held } from '../load/holding.ts'
import type { Measurement, Plan } from '../plan.ts'
import type { ServerView } from '../server-view/server-view.ts'
import type { Capacity } from '../verdict/capacity.ts'
import type { Comparison } from '../verdict/comparison.ts'
import type { Judged } from '../verdict/condition.ts'

/** A threshold's verdict; `holds` is undefined where the measurement is INVALID: then nothing is concluded. */
export type Threshold = Omit<Judged, 'holds'> & { holds: boolean | undefined }

export interface Findings {
  url: string
  /** Where connections went: host and port, or the path of a unix socket. */
  address: string
  /** The command or the call, as the report shows it. */
  command: string
  /** ISO 8601. */
  startedAt: string
  /** Of a search for a capacity: that of the step which the report shows. */
  plan: Plan
  /** Undefined where the run was interrupted before it began. */
  measurement: Measurement | undefined
  held: Held | undefined
  capacity: Capacity | undefined
  judged: Threshold[]
  /** `command` is that of the run of before. */
  compared: ({ command: string } & Comparison) | undefined
  server: ServerView | undefined
  interrupted: boolean
}
