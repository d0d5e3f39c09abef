import { Heartbeat } from '../sse/heartbeat.ts'
import type { CloseReason } from '../sse/stream.ts'
import type { ExecutorSlot } from './executor-slot.ts'
import { allOf, type Moments } from './moments.ts'
import type { ResolvedOptions } from './resolve-options.ts'

/** The streams of one route, since the start; `open` is of now. */
export interface RouteStats {
  open: number
  opened: number
  closed: Partial<Record<CloseReason, number>>
  events: number
  bytes: number
  dropped: number
}

/** A registered route: its options, the slot of its executor, and what came of its streams. */
export class Route<Request> {
  readonly name: string
  readonly options: ResolvedOptions<Request>
  readonly slot: ExecutorSlot
  readonly heartbeat: Heartbeat | undefined
  readonly stats: RouteStats
  /** Called at the moments of its streams. */
  readonly moments: Moments
  /** The warning that a producer has left its stream open was logged. */
  warnedLeftOpen = false

  /**
   * @param name the method and the path, as `GET /path/:id`
   * @param stats of a route of the same name (with other constraints), to be counted on
   */
  constructor(name: string, options: ResolvedOptions<Request>, slot: ExecutorSlot, stats?: RouteStats) {
    this.name = name
    this.stats = stats ?? { open: 0, opened: 0, closed: {}, events: 0, bytes: 0, dropped: 0 }
    this.options = options
    this.slot = slot
    this.heartbeat = options.heartbeatMs > 0 ? new Heartbeat(options.heartbeatMs) : undefined
    this.moments = allOf([countingIn(this.stats), slot.moments])
  }
}

function countingIn(stats: RouteStats): Moments {
  return {
    head: () => {
      stats.open++
      stats.opened++
    },
    closed: (_stream, { reason, events, bytes, dropped }) => {
      stats.open--
      stats.closed[reason] = (stats.closed[reason] ?? 0) + 1
      stats.events += events
      stats.bytes += bytes
      stats.dropped += dropped
    },
  }
}
