/**
 * Clients that dispatch at every empty line, whatever was before it, as fetch-event-source does: what they make of all
 * that is said and is no event. (httpx-sse and the Python clients of OpenAI and Anthropic do so from a `retry` or the
 * first `id` on.)
 */
import zlib from 'node:zlib'
import { createParser } from 'eventsource-parser'
import { describe, expect, test } from 'vitest'
import { DecodingClient } from '../support/decoding-client.ts'
import { EVENTS, everyLine } from './empty-events-producer.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'
import { EXECUTORS } from '../support/executors.ts'

const CODINGS = ['gzip', 'br', ...('createZstdDecompress' in zlib ? ['zstd'] : [])]

/** What such a client dispatches. */
function dispatchAtEveryEmptyLine(body: string): { event: string; data: string }[] {
  const dispatched: { event: string; data: string }[] = []
  let [event, data]: [string, string[]] = ['', []]
  for (const line of body.split('\n').slice(0, -1)) {
    if (line === '') {
      dispatched.push({ event, data: data.join('\n') })
      ;[event, data] = ['', []]
    } else if (line.startsWith('event: ')) event = line.slice('event: '.length)
    else if (line.startsWith('data: ')) data.push(line.slice('data: '.length))
  }
  return dispatched
}

/** What a client makes of the rest that follows the standard. */
function linesIn(body: string): { comments: string[]; retries: number[] } {
  const [comments, retries]: [string[], number[]] = [[], []]
  const parser = createParser({
    onComment: (comment) => comments.push(comment),
    onRetry: (retryMs) => retries.push(retryMs),
    onError: ({ message }) => expect.unreachable(message),
  })
  parser.feed(body)
  return { comments, retries }
}

/** A heartbeat that comes after all events. In a body that is compressed it decodes to nothing. */
async function heartbeat(client: DecodingClient): Promise<void> {
  await client.got(': last\n')
  const { bytes } = client
  await until(() => client.bytes > bytes, 'a heartbeat')
}

async function serve(
  executor: string,
  options: Parameters<typeof Testbed.everywhere>[0] = {},
): Promise<Testbed> {
  const testbed = await Testbed.everywhere({
    executor,
    retryMs: 4,
    heartbeatMs: 20,
    compress: true,
    ...options,
  })
  testbed.route('/', everyLine, undefined)
  return testbed
}

describe.each(EXECUTORS)('on executor %s', (executor) => {
  describe.each([undefined, ...CODINGS])('with Accept-Encoding %s', (accept) => {
    const options = accept === undefined ? {} : { accept }

    test.each(['event', 'tick'] as const)(
      'no empty event comes of retryMs, comments, heartbeats and the farewell, with flush "%s"',
      async (flush) => {
        const testbed = await serve(executor, { flush })
        const client = await DecodingClient.open(testbed, '/', options)
        await heartbeat(client)
        await testbed.app.close()
        const body = await client.over()
        expect([client.coding, client.complete]).toEqual([accept, true])
        expect(dispatchAtEveryEmptyLine(body)).toEqual(EVENTS)
        const { comments, retries } = linesIn(body)
        expect(comments.filter((comment) => comment !== '')).toEqual([
          'first',
          'two',
          'lines',
          'last',
          'the server is closing',
        ])
        expect(retries).toEqual([4, 5, 6, expect.any(Number)])
      },
    )

    test('nor where this thread speaks before and after the producer', async () => {
      const testbed = await serve(executor, { onOpen: (stream) => void stream.comment('welcome') })
      const client = await DecodingClient.open(testbed, '/', options)
      await heartbeat(client)
      await testbed.app.close()
      const body = await client.over()
      expect(body).toMatch(/^retry: 4\n: welcome\n[^]*: the server is closing\nretry: \d+\n$/)
      expect(dispatchAtEveryEmptyLine(body)).toEqual(EVENTS)
    })

    test('nor of a refusal by retry', async () => {
      const testbed = await serve(executor, { maxStreamsPerClient: 1, refusal: 'retry' })
      await DecodingClient.open(testbed, '/')
      const refused = await DecodingClient.open(testbed, '/', options)
      const body = await refused.over()
      expect(dispatchAtEveryEmptyLine(body)).toEqual([])
      expect(linesIn(body).retries).toHaveLength(1)
    })
  })
})

test('nor of what is said to a stream that waits for a thread until the server closes', async () => {
  const testbed = await serve('workers')
  // Both threads of the pool are still to start.
  const client = await DecodingClient.open(testbed, '/')
  await testbed.app.close()
  const body = await client.over()
  expect(dispatchAtEveryEmptyLine(body).every(({ data }) => data !== '')).toBe(true)
  expect(linesIn(body).comments).toContain('the server is closing')
})
