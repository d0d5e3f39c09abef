import type { EventInput } from '../../src/index.ts'
import type { ReceivedEvent } from '../../src/testing/index.ts'
import { Testbed } from '../support/testbed.ts'

const SENT: EventInput[] = [
  'plain',
  { event: 'named', data: { n: 1, text: 'é 😀' }, id: 7 },
  { data: 'two\nlines', id: '' },
  '',
]
export const RECEIVED: readonly unknown[] = [
  { event: 'message', data: 'plain' },
  { event: 'named', data: '{"n":1,"text":"é 😀"}', id: '7' },
  { event: 'message', data: 'two\nlines', id: '' },
  { event: 'message', data: '' },
]

export async function serve(options: Parameters<typeof Testbed.make>[0] = {}): Promise<Testbed> {
  const testbed = await Testbed.make(options)
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.header('x-own', '1').sse(() => SENT))
  // Stays open.
  testbed.app.get('/open', { sse: true }, async (_, reply) =>
    reply.sse((stream) => {
      stream.comment('two\nlines')
      stream.send({ retry: 1_234, data: 'open' })
    }),
  )
  return testbed
}

/** All events until the end. */
export async function all(events: AsyncIterable<ReceivedEvent>): Promise<ReceivedEvent[]> {
  const received = []
  for await (const event of events) received.push(event)
  return received
}
