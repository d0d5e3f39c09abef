/** A body that is written past its response: byte for byte what Node would have written. */
import { once } from 'node:events'
import { OutgoingMessage, ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Chunk } from '../../src/sse/backlog.ts'
import { BodyWriter } from '../../src/sse/body-writer.ts'
import { SharedEvent } from '../../src/sse/shared-event.ts'
import { until } from '../../src/testing/flags.ts'
import { many, SEED, TIMEOUT } from '../support/random.ts'
import { Http2Pair } from '../support/served-response.ts'
import {
  open,
  received,
  REQUESTS,
  serve,
  wire,
  writeByNode,
  type Connection,
  type WriteBody,
} from './body-writer-wire.ts'

const CONNECTIONS = Object.keys(REQUESTS) as Connection[]

const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 40 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
  // Lone halves of surrogate pairs become three bytes each.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 20 })
    .map((units) => String.fromCharCode(...units)),
  fc.nat(70_000).map((length) => 'x'.repeat(length + 1)),
  fc.nat(20_000).map((length) => 'é€😀'.repeat(length / 8 + 1)),
)
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 100 }),
  // Around the size up to which bytes are copied.
  fc.integer({ min: 4_000, max: 4_200 }).map((length) => new Uint8Array(length).fill(0xe9)),
)
/** One chunk, several at once, or a turn of the event loop. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.oneof(text, bytes) },
  { weight: 2, arbitrary: fc.array(fc.oneof(text, bytes, fc.constant('')), { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constant(undefined) },
)
type Step = Chunk | readonly Chunk[] | undefined

const lengthOf = (chunk: Chunk): number => Buffer.byteLength(chunk)

async function play(steps: readonly Step[], write: (chunks: readonly Chunk[]) => void): Promise<void> {
  for (const each of steps) {
    if (each === undefined) await turn()
    else write(typeof each === 'string' || each instanceof Uint8Array ? [each] : each)
  }
}

/**
 * Chunks that any response has written, counted by the calls of `cork()` on Node's own class: a body that passes it by
 * has none. (If its `write()` is wrapped, no body passes it by.)
 */
function countWrites(): () => number {
  const cork = vi.spyOn(OutgoingMessage.prototype, 'cork')
  onTestFinished(() => cork.mockRestore())
  return () => cork.mock.calls.length
}

describe.each(CONNECTIONS)('over %s', (connection) => {
  test(
    'any chunks are the bytes that Node makes of them',
    async () => {
      const property = fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const [own, nodes] = await Promise.all([
          wire(async (response) => {
            const writer = new BodyWriter(response, () => {})
            await play(steps, (chunks) => {
              const [only] = chunks
              if (chunks.length === 1 && only !== undefined && only !== '') writer.write(only, lengthOf(only))
              else writer.writeAll(chunks)
            })
          }, connection),
          wire(async (response) => {
            await play(steps, (chunks) => {
              const all = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk as string)))
              // What is large and not text stays in pieces.
              const inPieces =
                all.length > 4_096 && chunks.length > 1 && chunks.some((chunk) => typeof chunk !== 'string')
              if (inPieces) {
                response.cork()
                for (const chunk of chunks) if (chunk.length > 0) response.write(chunk)
                response.uncork()
              } else if (all.length > 0) writeByNode(response, all)
            })
          }, connection),
        ])
        expect(own.equals(nodes)).toBe(true)
      })
      await fc.assert(property, { numRuns: many(40, 4_000), seed: SEED })
    },
    TIMEOUT,
  )
})

describe.each(CONNECTIONS)('an event that many streams share, over %s', (connection) => {
  test('is the bytes that Node makes of its text, on each of them', async () => {
    const events = [...fc.sample(text, { numRuns: 8, seed: SEED }), 'plain'].map(
      (data) => new SharedEvent(data),
    )
    const sharing: WriteBody = async (response) => {
      const writer = new BodyWriter(response, () => {})
      for (const event of events) {
        writer.writeShared(event)
        await turn()
      }
    }
    const nodes = await wire(async (response) => {
      for (const event of events) {
        writeByNode(response, event.text)
        await turn()
      }
    }, connection)
    for (let stream = 0; stream < 2; stream++)
      expect((await wire(sharing, connection)).equals(nodes)).toBe(true)
  })
})

describe('on Node’s own response and socket', () => {
  test.each(['HTTP/1.1', 'HTTP/1.1, kept alive and pipelined', 'HTTP/1.0', 'HTTP/1.0, kept alive'] as const)(
    'over %s the response writes the first two chunks, and no other',
    async (connection) => {
      const writes = countWrites()
      let responses = 0
      const all = await wire(async (response) => {
        responses++
        // It waits for its turn.
        if (response.socket === null) await once(response, 'socket')
        const writer = new BodyWriter(response, () => {})
        for (let n = 0; n < 100; n++) writer.write(`data: ${n}\n\n`, `data: ${n}\n\n`.length)
      }, connection)
      expect(all.toString()).toContain('data: 99\n\n')
      expect(writes()).toBe(2 * responses)
    },
  )

  test('each chunk has been handed to the kernel when write() returns', async () => {
    const left: number[] = []
    await wire((response) => {
      const writer = new BodyWriter(response, () => {})
      for (let n = 0; n < 20; n++) {
        writer.write('data: é\n\n', 10)
        left.push(response.writableLength, response.socket?.writableLength ?? -1)
      }
    })
    expect(new Set(left)).toEqual(new Set([0]))
  })

  test('halves of a surrogate pair in two texts are one character', async () => {
    const all = await wire((response) => {
      const writer = new BodyWriter(response, () => {})
      for (let n = 0; n < 4; n++) writer.writeAll('a😀b'.split(''))
    })
    expect(all.toString().split('6\r\na😀b\r\n')).toHaveLength(5)
  })

  test('trailers follow the body', async () => {
    const writes = countWrites()
    const port = await serve((response) => {
      const writer = new BodyWriter(response, () => {})
      for (let n = 0; n < 5; n++) writer.write('data: 1\n\n', 9)
      response.addTrailers({ 'x-sum': '5' })
    })
    const all = (await received(open(port))).toString()
    expect(all.endsWith('9\r\ndata: 1\n\n\r\n0\r\nx-sum: 5\r\n\r\n')).toBe(true)
    expect(writes()).toBe(2)
  })

  test('when the kernel takes no more, the rest waits, and onEmpty is called once it has left', async () => {
    const chunk = 'x'.repeat(100_000)
    let emptied = 0
    let waited = false
    let chunks = 0
    const port = await serve(async (response) => {
      const writer = new BodyWriter(response, () => void emptied++)
      for (; response.writableLength === 0; chunks++) writer.write(chunk, chunk.length)
      const before = emptied
      waited = response.writableLength > 0
      await until(() => emptied > before && response.writableLength === 0, 'the rest to leave')
      writer.write('end', 3)
    })
    const socket = open(port)
    socket.pause()
    await until(() => waited, 'a full kernel')
    socket.resume()
    const all = (await received(socket)).toString()
    expect(all.split('x'.repeat(100_000)).length - 1).toBe(chunks)
    expect(all.endsWith('3\r\nend\r\n0\r\n\r\n')).toBe(true)
  })

  test('chunks of all kinds that wait keep their bytes and their order', async () => {
    const samples = fc.sample(fc.oneof(text, bytes), { numRuns: 100, seed: SEED })
    const events = fc.sample(text, { numRuns: 20, seed: SEED }).map((data) => new SharedEvent(data))
    const parts: Buffer[] = []
    let waited = false
    const port = await serve((response) => {
      const writer = new BodyWriter(response, () => {})
      const filler = 'é'.repeat(50_000)
      const write = (chunk: Chunk): void => {
        parts.push(Buffer.from(chunk as string))
        writer.write(chunk, lengthOf(chunk))
      }
      while (response.writableLength === 0) write(filler)
      waited = true
      for (const [at, chunk] of samples.entries()) {
        write(chunk)
        const event = events[at]
        if (event === undefined) continue
        parts.push(Buffer.from(event.text))
        writer.writeShared(event)
      }
    })
    const socket = open(port)
    socket.pause()
    await until(() => waited, 'a full kernel')
    socket.resume()
    expect(unchunked(await received(socket)).equals(Buffer.concat(parts))).toBe(true)
  })

  test('a connection that breaks throws nothing', async () => {
    let wrote = 0
    const port = await serve(async (response) => {
      const writer = new BodyWriter(response, () => {})
      writer.write('data: 1\n\n', 9)
      writer.write('data: 2\n\n', 9)
      await once(response, 'close')
      for (; wrote < 10; wrote++) writer.write('data: late\n\n', 12)
    })
    const socket = open(port)
    await once(socket, 'data')
    socket.resetAndDestroy()
    await until(() => wrote === 10, 'chunks for a client that has left')
    expect(wrote).toBe(10)
  })
})

/** The body of a chunked response, whose framing has to be without a fault. */
function unchunked(all: Buffer): Buffer {
  const parts: Buffer[] = []
  let at = all.indexOf('\r\n\r\n') + 4
  for (;;) {
    const line = all.indexOf('\r\n', at)
    const size = Number(`0x${all.toString('latin1', at, line)}`)
    const end = line + 2 + size
    expect(all.toString('latin1', end, end + 2)).toBe('\r\n')
    if (size === 0) return Buffer.concat(parts)
    parts.push(all.subarray(line + 2, end))
    at = end + 2
  }
}

/** Ten chunks of a response that `between` has changed arrive whole, and in order. */
async function expectForeign(
  between: (response: ServerResponse) => void,
  options: Parameters<typeof serve>[2] = {},
): Promise<string> {
  const port = await serve(
    (response) => {
      between(response)
      const writer = new BodyWriter(response, () => {})
      for (let n = 0; n < 10; n++) writer.write(`data: ${n}\n\n`, `data: ${n}\n\n`.length)
    },
    'HTTP/1.1',
    options,
  )
  const all = (await received(open(port))).toString()
  expect([...all.matchAll(/data: (\d)\n\n/gi)].map(([, n]) => Number(n))).toEqual([...Array(10).keys()])
  return all
}

/** Wraps the `write()` of a class for this test. Returns how often it was called. */
function wrapWrite(prototype: OutgoingMessage): () => number {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'write')
  const write: (...args: never[]) => boolean = Reflect.get(prototype, 'write')
  let calls = 0
  prototype.write = function (this: OutgoingMessage, ...args: never[]) {
    calls++
    return write.apply(this, args)
  }
  onTestFinished(() => {
    if (descriptor === undefined) delete (prototype as Partial<OutgoingMessage>).write
    else Object.defineProperty(prototype, 'write', descriptor)
  })
  return () => calls
}

const upper = (chunk: unknown): string => String(chunk).toUpperCase().replace('DATA', 'Data')

describe('where something stands between, the response writes every chunk:', () => {
  test('a write() of the response’s own', async () => {
    const all = await expectForeign((response) => {
      const write = response.write.bind(response) as (chunk: string, callback: () => void) => boolean
      response.write = ((chunk: string, callback: () => void) => write(upper(chunk), callback)) as never
    })
    expect(all.match(/Data: \d/g)).toHaveLength(10)
  })

  test('a class of response with a write() of its own', async () => {
    class Loud extends ServerResponse {
      override write(chunk: unknown, ...rest: unknown[]): boolean {
        return super.write(upper(chunk), ...(rest as []))
      }
    }
    const all = await expectForeign(() => {}, { ServerResponse: Loud as never })
    expect(all.match(/Data: \d/g)).toHaveLength(10)
  })

  test('a write() of the socket’s own', async () => {
    let calls = 0
    await expectForeign(({ socket }) => {
      if (socket === null) return
      const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
      socket.write = (...args: unknown[]) => {
        calls++
        return write(...args)
      }
    })
    // Each chunk in its pieces.
    expect(calls).toBeGreaterThan(10)
  })

  test('a response that is corked', async () => {
    const writes = countWrites()
    await expectForeign((response) => response.cork())
    // The first is the test's own.
    expect(writes()).toBe(1 + 10)
  })

  test('a write() that is wrapped in the middle of a body', async () => {
    const all = await wire((response) => {
      const writer = new BodyWriter(response, () => {})
      for (let n = 0; n < 10; n++) {
        if (n === 5) {
          const write = response.write.bind(response) as (chunk: string, callback: () => void) => boolean
          response.write = ((chunk: string, callback: () => void) => write(upper(chunk), callback)) as never
        }
        writer.write('data: 1\n\n', 9)
      }
    })
    expect(all.toString().match(/Data: 1/g)).toHaveLength(5)
  })

  test.each([
    ['ServerResponse', ServerResponse.prototype],
    ['OutgoingMessage', OutgoingMessage.prototype],
  ])('a write() of %s that was wrapped for all responses', async (_, prototype) => {
    const calls = wrapWrite(prototype)
    await expectForeign(() => {})
    expect(calls()).toBe(10)
  })

  test('a write() that was wrapped for all responses before this code was loaded', async () => {
    const calls = wrapWrite(OutgoingMessage.prototype)
    vi.resetModules()
    const { BodyWriter: Late } = await import('../../src/sse/body-writer.ts')
    await wire((response) => {
      const writer = new Late(response, () => {})
      for (let n = 0; n < 10; n++) writer.write('data: 1\n\n', 9)
    })
    expect(calls()).toBe(10)
  })

  test('a response that has ended', async () => {
    const all = await wire((response) => {
      response.on('error', () => {})
      const writer = new BodyWriter(response, () => {})
      for (let n = 0; n < 5; n++) writer.write('data: 1\n\n', 9)
      response.end()
      writer.write('data: late\n\n', 12)
      writer.writeShared(new SharedEvent('late'))
    })
    expect(all.toString().endsWith('9\r\ndata: 1\n\n\r\n0\r\n\r\n')).toBe(true)
  })

  test('an HTTP/2 response that is closed', async () => {
    const { response, client } = await (await Http2Pair.open()).request()
    const writer = new BodyWriter(response, () => {})
    response.flushHeaders()
    const closed = once(response, 'close')
    client.close(constants.NGHTTP2_CANCEL)
    await closed
    expect(response.socket).toBeUndefined()
    expect(() => writer.write('data: late\n\n', 12)).not.toThrow()
  })

  test('a socket that is corked', async () => {
    const writes = countWrites()
    await expectForeign(({ socket }) => {
      socket?.cork()
      setImmediate(() => socket?.uncork())
    })
    expect(writes()).toBe(10)
  })

  test('a socket that is no net.Socket', async () => {
    const prototypes = new Set<unknown>()
    const writes = countWrites()
    await wire((response) => {
      prototypes.add(Object.getPrototypeOf(response.socket))
      const writer = new BodyWriter(response, () => {})
      for (let n = 0; n < 10; n++) writer.write('data: 1\n\n', 9)
    }, 'TLS')
    expect(prototypes.has(Socket.prototype)).toBe(false)
    expect(writes()).toBe(10)
  })

  test('something that was written to the response and still waits', async () => {
    const all = await wire((response) => {
      const writer = new BodyWriter(response, () => {})
      writer.write('data: 1\n\n', 9)
      writer.write('data: 2\n\n', 9)
      // Node holds this back until the end of the tick.
      response.write('data: 3\n\n')
      writer.write('data: 4\n\n', 9)
      writer.write('data: 5\n\n', 9)
    })
    expect([...all.toString().matchAll(/data: (\d)/g)].map(([, n]) => n).join('')).toBe('12345')
  })
})
