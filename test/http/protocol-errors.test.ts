/** Clients of HTTP/2 that break the protocol: their streams end, on every Node, and no other client's. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Flag, makeFlags, until, untilRaised } from '../../src/testing/flags.ts'
import { Testbed } from '../support/testbed.ts'
import { CERTIFICATE, SERVERS, type Protocol } from '../support/protocols.ts'
import { EXECUTORS } from '../support/executors.ts'
import { makeReason, reasonIn } from '../support/producers/flagged.ts'
import * as endless from '../support/producers/endless.ts'
import * as flooding from '../support/producers/flooding.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const [DATA, HEADERS, SETTINGS, GOAWAY, WINDOW_UPDATE, CONTINUATION] = [0, 1, 4, 7, 8, 9]
const END_STREAM_AND_HEADERS = 5

/** RFC 9113, 4.1. */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** `GET`, `http`, the path, and the authority `a`, as literals and indices of HPACK (RFC 7541). */
const request = (stream: number, path: string): Buffer =>
  frame(
    HEADERS,
    END_STREAM_AND_HEADERS,
    stream,
    Buffer.concat([
      Buffer.from([0x82, 0x86, 0x04, path.length]),
      Buffer.from(path),
      Buffer.from([0x41, 1, 97]),
    ]),
  )

const ERRORS: Readonly<Record<string, Buffer>> = {
  'DATA of no stream': frame(DATA, 0, 0, Buffer.from('x')),
  'a frame that is too large': frame(DATA, 0, 1, Buffer.alloc(20_000)),
  'a CONTINUATION of nothing': frame(CONTINUATION, 0, 1, Buffer.alloc(4)),
  'SETTINGS of a wrong length': frame(SETTINGS, 0, 0, Buffer.alloc(5)),
  'fields that are no HPACK': frame(HEADERS, END_STREAM_AND_HEADERS, 3, Buffer.alloc(5, 0xff)),
  'a WINDOW_UPDATE of nothing': frame(WINDOW_UPDATE, 0, 0, uint32(0)),
  'a request of HTTP/1.1': Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(20)),
}

interface Client {
  socket: Socket
  /** The types of the frames that came. */
  types: number[]
}

/** A connection that has sent this much after the preface. */
async function open(testbed: Testbed, protocol: Protocol, ...frames: Buffer[]): Promise<Client> {
  const port = await testbed.listen()
  const socket =
    protocol === 'h2c'
      ? connect(port, '127.0.0.1')
      : connectTls({ port, host: 'localhost', ca: CERTIFICATE, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, protocol === 'h2c' ? 'connect' : 'secureConnect')
  const client: Client = { socket, types: [] }
  let bytes = Buffer.alloc(0)
  socket.on('data', (data: Buffer) => {
    bytes = Buffer.concat([bytes, data])
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      client.types.push(bytes[3] as number)
      bytes = bytes.subarray(9 + bytes.readUIntBE(0, 3))
    }
  })
  socket.write(Buffer.concat([PREFACE, ...frames]))
  return client
}

const PROTOCOLS: Protocol[] = ['h2c', 'HTTP/2 over TLS']
const SETTINGS_OF_NOTHING = frame(SETTINGS, 0, 0)

describe.each(PROTOCOLS)('over %s', (protocol) => {
  describe.each(Object.keys(ERRORS))('after %s', (name) => {
    test.each(EXECUTORS)(
      'the connection ends, and its stream on %s as one whose client left',
      async (executor) => {
        const testbed = await Testbed.everywhere({ executor, heartbeatMs: 40 }, SERVERS[protocol])
        const input = { flags: makeFlags(), reason: makeReason() }
        testbed.route('/', endless.promise, input)
        const client = await open(testbed, protocol, SETTINGS_OF_NOTHING, request(1, '/'))
        await until(() => client.types.includes(DATA), 'an event or a heartbeat')
        await untilRaised(input.flags, Flag.STARTED)
        client.socket.write(ERRORS[name] as Buffer)
        expect((await testbed.closeInfo()).reason).toBe('client')
        await untilRaised(input.flags, Flag.SEEN)
        expect(reasonIn(input.reason)).toBe('client')
        await until(() => client.socket.closed, 'the connection to end')
        expect(client.types.at(-1)).toBe(GOAWAY)
        await testbed.idle()
      },
    )
  })

  test('one that leaves right after its error is not forgotten', async () => {
    const testbed = await Testbed.everywhere({ heartbeatMs: 40 }, SERVERS[protocol])
    const input = { flags: makeFlags(), reason: makeReason() }
    testbed.route('/', endless.promise, input)
    const client = await open(testbed, protocol, SETTINGS_OF_NOTHING, request(1, '/'))
    await until(() => client.types.includes(DATA), 'an event or a heartbeat')
    client.socket.end(ERRORS['SETTINGS of a wrong length'] as Buffer)
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
  })

  test.each(EXECUTORS)(
    'also where its stream on %s sends more often than it is looked at',
    async (executor) => {
      const options = { executor, heartbeatMs: 40, overflow: 'drop-oldest', maxBuffered: 4_096 } as const
      const testbed = await Testbed.everywhere({ ...options, highWaterMark: 4_096 }, SERVERS[protocol])
      const flags = makeFlags()
      testbed.route('/', endless.ignores, { flags })
      const client = await open(testbed, protocol, SETTINGS_OF_NOTHING, request(1, '/'))
      await until(() => client.types.includes(DATA), 'the first event')
      client.socket.end(ERRORS['SETTINGS of a wrong length'] as Buffer)
      expect((await testbed.closeInfo()).reason).toBe('client')
      flags[Flag.GO] = 1
      await testbed.idle()
    },
  )

  test('a client is left alone that reads one stream not at all, and asks for much else', async () => {
    const testbed = await Testbed.everywhere({ heartbeatMs: 10 }, SERVERS[protocol])
    testbed.route('/flood', flooding.floods, { flags: makeFlags() })
    testbed.route('/silent', endless.promise, { flags: makeFlags(), reason: makeReason() })
    // A reply that is written in an immediate of its own stands in the session's queue at any moment.
    testbed.app.get('/reply', async () => {
      await new Promise((resolve) => setImmediate(resolve))
      return 'x'.repeat(100)
    })
    const client = await open(
      testbed,
      protocol,
      SETTINGS_OF_NOTHING,
      frame(WINDOW_UPDATE, 0, 0, uint32(0x7fff_0000)),
      request(1, '/flood'),
      request(3, '/silent'),
    )
    const count = (type: number): number => client.types.filter((each) => each === type).length
    for (let stream = 5; stream < 3_000; stream += 2) {
      client.socket.write(request(stream, '/reply'))
      if (stream % 50 === 1) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until(() => count(HEADERS) === 1_500 && count(DATA) > 30, 'all replies, and heartbeats')
    expect(testbed.closed).toEqual([])
    expect(client.types).not.toContain(GOAWAY)
    client.socket.destroy()
    await testbed.closeInfo(1)
  })

  test('clients that take nothing for long are left alone, whichever way they do so', async () => {
    const testbed = await Testbed.everywhere({ heartbeatMs: 20 }, SERVERS[protocol])
    const input = { flags: makeFlags() }
    testbed.route('/flood', flooding.floods, input)
    testbed.route('/silent', endless.promise, { flags: makeFlags(), reason: makeReason() })
    // One opens its windows wide, and does not read. One reads, and opens none.
    const large = uint32(0x7fff_0000)
    const wide = frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), large]))
    const stuck = await open(testbed, protocol, wide, frame(WINDOW_UPDATE, 0, 0, large), request(1, '/flood'))
    await until(() => stuck.types.includes(DATA), 'the first events')
    stuck.socket.pause()
    const narrow = await open(testbed, protocol, SETTINGS_OF_NOTHING, request(1, '/flood'))
    await until(() => narrow.types.includes(DATA), 'the first events')
    const healthy = await open(testbed, protocol, SETTINGS_OF_NOTHING, request(1, '/silent'))
    // The time in which each of them is looked at several times.
    const heartbeats = (): number => healthy.types.filter((type) => type === DATA).length
    await until(() => heartbeats() > 12, 'heartbeats')
    expect(testbed.closed).toEqual([])
    expect([stuck, narrow, healthy].map(({ socket }) => socket.closed)).toEqual([false, false, false])
    for (const { socket } of [stuck, narrow, healthy]) socket.destroy()
    await testbed.closeInfo(2)
  })
})
