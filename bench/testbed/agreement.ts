import type { CloseReason, RouteStats } from 'headfirst'
import type { Recording } from '../load/recording.ts'

/**
 * What the server has counted as sent is what the clients have received, or the bench has a bug.
 *
 * @throws when they disagree though no stream has failed
 */
export function agree(recording: Recording, before: RouteStats, after: RouteStats): void {
  const streams = recording.lagMs.length
  if (recording.outcomes.good !== streams) return
  const others = Object.entries(after.closed).filter(
    ([reason, count]) => reason !== 'ended' && count !== (before.closed[reason as CloseReason] ?? 0),
  )
  if (others.length > 0) {
    throw new Error(`Streams were over for the server by ${others.map(([reason]) => reason).join(', ')}`)
  }
  const sent = {
    streams: (after.closed.ended ?? 0) - (before.closed.ended ?? 0),
    events: after.events - before.events,
    bytes: after.bytes - before.bytes,
  }
  const received = { streams, events: recording.events, bytes: recording.bytes }
  if (sent.streams !== streams || sent.events !== received.events || sent.bytes !== received.bytes) {
    throw new Error(
      `The server has sent ${JSON.stringify(sent)}, but its clients have received ${JSON.stringify(received)}`,
    )
  }
}
