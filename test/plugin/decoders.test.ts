import { createParser } from 'eventsource-parser'
import { describe, expect, test } from 'vitest'
import { COMMENTS, everyKind, KINDS } from '../support/every-kind.ts'
import { Testbed } from '../support/testbed.ts'
import { EXECUTORS } from '../support/executors.ts'

const DISPATCHED = KINDS.map(([, received]) => received).filter((received) => received !== undefined)

describe.each(EXECUTORS)('on executor %s', (executor) => {
  test.each(['event', 'tick'] as const)(
    'eventsource-parser decodes to exactly what was sent, with flush "%s"',
    async (flush) => {
      const testbed = await Testbed.make({ executor, flush })
      testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(everyKind))
      const client = await testbed.ask('/')
      const { chunks } = await client.response()

      const events: object[] = []
      const comments: string[] = []
      const retries: number[] = []
      const errors: Error[] = []
      const parser = createParser({
        onEvent: ({ event, data, id }) =>
          events.push({ data, ...(event !== undefined && { event }), ...(id !== undefined && { id }) }),
        onComment: (comment) => comments.push(comment),
        onRetry: (retry) => retries.push(retry),
        onError: (error) => errors.push(error),
      })
      for (const chunk of chunks) parser.feed(chunk)

      expect(events).toEqual(DISPATCHED)
      expect(comments).toEqual(COMMENTS.flatMap((comment) => comment.split(/\r\n|\r|\n/)))
      expect(retries).toEqual([0, 86_400_000, 1_500])
      expect(errors).toEqual([])
      expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: KINDS.length })
    },
  )
})
