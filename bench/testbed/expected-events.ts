import type { Target } from '../load/target.ts'
import { EVENT_BYTES, FRAME_BYTES } from '../servers/payload.ts'
import type { ProducerPlan, RoutePlan } from '../servers/server-plan.ts'

/** What a client will see of a plan's streams. */
export function expectedOf(
  { producer, coding }: Pick<RoutePlan, 'producer' | 'coding'>,
  frameBytes: number,
): Pick<Target, 'events' | 'shape' | 'coding'> {
  return { ...eventsOf(producer, frameBytes), coding }
}

function eventsOf(producer: ProducerPlan, frameBytes: number): Pick<Target, 'events' | 'shape'> {
  switch (producer.name) {
    case 'own':
      return { events: undefined }
    case 'subscribe':
    case 'wait':
      return { events: 0 }
    case 'single':
      return { events: 1 }
    case 'block':
    case 'nap':
    case 'pause':
      return { events: 2 }
    case 'burst': {
      const { events, eventBytes } = producer.input
      return { events, shape: { bytes: eventBytes - FRAME_BYTES + frameBytes, stamped: false } }
    }
    case 'hub':
      return { events: undefined, shape: { bytes: EVENT_BYTES, stamped: true } }
    case 'fan':
    case 'ticker':
      return { events: producer.input.events, shape: { bytes: EVENT_BYTES, stamped: true } }
    default:
      return producer satisfies never
  }
}
