/** A history on a thread: each thread that loads this module has its own. */
import { History, producer, type EventStream, type PortableProducer } from '../../src/index.ts'

const history = new History()
for (let n = 1; n <= 3; n++) history.push('ticks', { event: 'tick', data: n })

export const ticks: PortableProducer = producer(import.meta.url, (stream: EventStream) =>
  history.follow('ticks', { from: 'oldest' })(stream),
)
