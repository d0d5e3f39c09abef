/** The options of a profile, resolved: checked, with their defaults. */
import type { End, Limits, Load, Stamp } from '../plan.ts'
import type { Condition } from '../verdict/condition.ts'

/** The request, from its options. */
export interface ResolvedRequest {
  url: URL
  method: string
  headers: readonly (readonly [name: string, value: string])[]
  body: Uint8Array
  socketPath: string | undefined
  ca: string | undefined
  insecure: boolean
}

/** What is measured and judged besides times, rates and errors. */
export interface ResolvedJudgement {
  stamp: Stamp | undefined
  slo: Limits | undefined
  thresholds: readonly Condition[]
  capacity: Condition | undefined
  /** A share: 0.1 is 10 %. */
  precision: number
}

/** Every option, checked. */
export interface ResolvedProfile extends ResolvedRequest, ResolvedJudgement {
  end: End
  load: Load
  /** Streams; 0 for none. */
  hold: number
  /** Processes; undefined for as many as it takes. */
  generators: number | undefined
  /** `option` is the name under which it was given. */
  server: { url: URL; token: string; option: string } | undefined
}
