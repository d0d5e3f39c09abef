import { portability, type Portability } from '../../runtime/producer.ts'
import type { ElsewhereTask } from '../../runtime/executor.ts'
import type { StreamContext } from '../../sse/stream.ts'
import { strippedOf } from './cloning.ts'
import type { ProducerReference } from './portable.ts'

/** What the far end needs to run one stream's producer. All values can be cloned. */
export interface Order {
  producer: ProducerReference
  /** The input of the producer. */
  input: unknown
  /** The `Last-Event-ID` of the client. */
  lastEventId: string | undefined
  context: StreamContext
  /** Objects within `input` and `context` whose prototypes are lost on the way, see cloning.ts. */
  stripped?: readonly object[] | undefined
  /** Set if the far end compresses the body. */
  coded: ElsewhereTask['coded']
  /** The server's log level: lines below it need not be sent. Undefined if the logger has none. */
  logLevel: string | undefined
  /** Bytes that may wait for the client before `send()` returns false. */
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

/** @param task with a portable producer, checked by {@link checkPortable} */
export function referenceOf({ producer }: Pick<ElsewhereTask, 'producer'>): ProducerReference {
  const { module, name } = portability(producer) as Portability
  return { module, name }
}
