import type { Stream } from '../../profiler/client/stream.ts'
import type { Outcome as ClientOutcome } from '../../profiler/plan.ts'

/**
 * How a stream went. Only `good` ones count; the others are errors:
 *
 * - `refused`, `reset`: by TCP, or by TLS
 * - `timeout`: not complete when the row ended
 * - `status`: not a 200 with an event stream in chunks, in the content coding that was asked for
 * - `truncated`: ended before its last chunk, or with fewer or more events than it should have
 * - `hole`: an event's number did not follow the one before
 * - `malformed`: not HTTP/1.x, or not in its content coding
 */
export type Outcome = 'good' | 'refused' | 'reset' | 'timeout' | 'status' | 'truncated' | 'hole' | 'malformed'

/** Of those that are no complete responses; the others are judged by their events. */
const FAILURES: Readonly<Record<Exclude<ClientOutcome, 'good' | 'no-event'>, Outcome>> = {
  refused: 'refused',
  tls: 'reset',
  reset: 'reset',
  local: 'reset',
  timeout: 'timeout',
  status: 'status',
  'not-event-stream': 'status',
  'content-encoding': 'status',
  malformed: 'malformed',
  truncated: 'truncated',
}

/**
 * Of a body that is not in chunks the end may be any cut, so that it never counts as complete.
 *
 * @param expected events of the stream; undefined where nothing is known of them
 */
export function outcomeOf(
  { outcome = 'timeout', reader, body }: Stream,
  expected: number | undefined,
): Outcome {
  if (outcome !== 'good' && outcome !== 'no-event') return FAILURES[outcome]
  if (reader.framing !== 'chunked') return 'status'
  if (expected === undefined) return 'good'
  if (body.inSequence === false) return 'hole'
  return body.events === expected ? 'good' : 'truncated'
}
