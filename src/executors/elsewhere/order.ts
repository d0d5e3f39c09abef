import { portability, type Portability } from '../../runtime/producer.ts'
import type { ElsewhereTask } from '../../runtime/executor.ts'
import type { StreamContext } from '../../sse/stream.ts'
import { strippedOf } from './cloning.ts'
import type { ProducerReference } from './portable.ts'

/** One stream for somebody elsewhere to produce: all values can be cloned. */
export interface Order {
  producer: ProducerReference
  input: unknown
  lastEventId: string | undefined
  context: StreamContext
  /** The objects within these two whose prototypes are lost on the way, see cloning.ts. */
  stripped?: readonly object[] | undefined
  coded: ElsewhereTask['coded']
  /** The server's: what is below it need not cross. A logger that is not pino may have none. */
  logLevel: string | undefined
  /** Bytes that may be under way before `send()` answers false. */
  highWaterMark: number
}

export function orderOf(task: ElsewhereTask): Order {
  return {
    producer: referenceOf(task),
    input: task.input,
    lastEventId: task.lastEventId,
    context: task.context,
    stripped: strippedOf(task),
    coded: task.coded,
    logLevel: task.log.level,
    highWaterMark: task.options.highWaterMark,
  }
}

/** Of a task whose producer was checked to be portable. */
export function referenceOf({ producer }: Pick<ElsewhereTask, 'producer'>): ProducerReference {
  const { module, name } = portability(producer) as Portability
  return { module, name }
}
