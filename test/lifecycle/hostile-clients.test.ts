import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeFlags, until } from '../../src/testing/flags.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { EXECUTORS } from '../support/executors.ts'
import * as endless from '../support/producers/endless.ts'
import * as plain from '../support/producers/plain.ts'
import { makeReason } from '../support/producers/flagged.ts'

/** A server of which each executor has a route that waits, one that ends, and one that tells its Last-Event-ID. */
async function serve(options: Parameters<typeof Testbed.everywhere>[0] = {}): Promise<Testbed> {
  const testbed = await Testbed.everywhere(options)
  for (const executor of EXECUTORS) {
    const watched = { flags: makeFlags(), reason: makeReason() }
    testbed.route(`/${executor}/waits`, endless.promise, watched, { executor })
    testbed.route(`/${executor}/ends`, plain.count, { events: 20, bytes: 40 }, { executor })
    testbed.route(`/${executor}/id`, plain.lastEventId, undefined, { executor })
  }
  // It listens from the first client on.
  ;(await testbed.connect()).destroy()
  return testbed
}

/** A socket that is not read until it is told to. */
async function socketTo({ app }: Testbed): Promise<Socket> {
  const socket = connect({
    port: (app.server.address() as AddressInfo).port,
    host: '127.0.0.1',
    noDelay: true,
  })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Whatever was done to it: nothing is counted, nothing was logged, and the next client is served. */
async function expectUnharmed(testbed: Testbed, executor: string): Promise<void> {
  await testbed.idle()
  const { status, body, complete } = await testbed.request(`/${executor}/ends`)
  expect({ status, complete }).toEqual({ status: 200, complete: true })
  expect(body.match(/^data: \d+ x+$/gm)).toHaveLength(20)
  await testbed.idle()
  expect(testbed.logged).toEqual([])
}

describe.each(EXECUTORS)('on executor %s', (executor) => {
  test('a client that resets at any byte of its request harms nobody', async () => {
    const testbed = await serve()
    const text = get(`/${executor}/waits`, { 'last-event-id': '7' })
    for (let length = 0; length <= text.length; length++) {
      const socket = await socketTo(testbed)
      if (length > 0) await new Promise((resolve) => socket.write(text.slice(0, length), resolve))
      socket.resetAndDestroy()
    }
    await testbed.unconnected()
    await expectUnharmed(testbed, executor)
    expect(testbed.counted).toBe(0)
  })

  test('a client that resets after any number of bytes of the response harms nobody', async () => {
    const testbed = await serve()
    // Shorter than any way to frame the same events.
    const whole = await readToEnd(testbed, get(`/${executor}/ends`, { connection: 'close' }))
    let opened = 1
    for (let length = 1; length < whole.length / 2; length += 13) {
      const socket = await socketTo(testbed)
      socket.write(get(`/${executor}/ends`))
      opened++
      let taken: Buffer | null = null
      await until(() => (taken = socket.read(length) as Buffer | null) !== null, `${length} bytes`)
      expect(taken).toHaveLength(length)
      socket.resetAndDestroy()
    }
    await testbed.unconnected()
    await testbed.idle()
    // What the kernel had taken before the reset has ended as far as a server can know.
    expect(testbed.closed).toHaveLength(opened)
    for (const { reason } of testbed.closed) expect(['client', 'ended']).toContain(reason)
    await expectUnharmed(testbed, executor)
  })

  test('a request that comes byte by byte, and a client that reads byte by byte, get everything', async () => {
    const testbed = await serve()
    const socket = await socketTo(testbed)
    for (const byte of get(`/${executor}/ends`, { connection: 'close' })) {
      await new Promise((resolve) => socket.write(byte, resolve))
    }
    let text = ''
    for (;;) {
      const byte = socket.read(1) as Buffer | null
      if (byte !== null) text += byte.toString('latin1')
      else if (socket.readableEnded || socket.destroyed) break
      else await Promise.race([once(socket, 'readable'), once(socket, 'close')])
    }
    expect(text.endsWith('\r\n0\r\n\r\n')).toBe(true)
    expect(text.match(/^data: \d+ x+$/gm)).toHaveLength(20)
    expect((await testbed.closeInfo()).reason).toBe('ended')
    await expectUnharmed(testbed, executor)
  })

  test('garbage behind the request ends the connection, and nothing else', async () => {
    const testbed = await serve()
    const request = get(`/${executor}/waits`)
    // At once with the request, and when the stream is open.
    const early = await socketTo(testbed)
    early.resume().write(`${request}\0\0 this is no request\r\n\r\n`)
    await once(early, 'close')
    const late = await testbed.connect()
    late.send(request)
    await late.including('data: 0')
    late.send('\x16\x03\x01 neither\r\n\r\n')
    await late.closed()
    await testbed.idle()
    expect(new Set(testbed.closed.map(({ reason }) => reason))).toEqual(new Set(['client']))
    await expectUnharmed(testbed, executor)
  })

  test('any garbage behind the request leaves nothing behind', async () => {
    const testbed = await serve()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (garbage) => {
        const socket = await socketTo(testbed)
        socket.write(Buffer.concat([Buffer.from(get(`/${executor}/waits`)), garbage]))
        await once(socket, 'readable')
        socket.destroy()
      }),
      { numRuns: 25 },
    )
    await testbed.unconnected()
    await expectUnharmed(testbed, executor)
    expect(testbed.counted).toBe(0)
  })

  test('a client that half-closes is taken for gone, with all that was sent before', async () => {
    const testbed = await serve()
    const client = await testbed.ask(`/${executor}/waits`)
    await client.including('data: 0\n\n')
    client.socket.end()
    await client.closed()
    expect(client.responses[0]).toMatchObject({ body: 'data: 0\n\n', complete: false })
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'client' })
    await expectUnharmed(testbed, executor)
  })

  test('a client that half-closes with its request gets its head, and no producer is left behind', async () => {
    const testbed = await serve()
    const client = await testbed.connect()
    client.socket.end(get(`/${executor}/waits`))
    await client.closed()
    await expectUnharmed(testbed, executor)
    for (const { reason } of testbed.closed.slice(0, -1)) expect(reason).toBe('client')
  })

  test('with httpAllowHalfOpen its stream goes on, and a heartbeat finds out when it is gone', async () => {
    const testbed = await serve({ heartbeatMs: 20 })
    // Node's types do not know it.
    ;(testbed.app.server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true
    // It gets all of a stream that ends.
    const first = await testbed.connect()
    first.socket.end(get(`/${executor}/ends`))
    await first.closed()
    expect(first.responses[0]?.complete).toBe(true)
    expect(first.responses[0]?.body.match(/^data: \d+ x+$/gm)).toHaveLength(20)
    expect((await testbed.closeInfo(0)).reason).toBe('ended')

    const second = await testbed.connect()
    second.socket.end(get(`/${executor}/waits`))
    await second.including('data: 0\n\n:\n:\n')
    expect(testbed.closed).toHaveLength(1)
    second.destroy()
    expect((await testbed.closeInfo(1)).reason).toBe('client')
    await expectUnharmed(testbed, executor)
  })
})

/** What HTTP allows in a field's value (RFC 9110, 5.5): visible ASCII, space, tab, and bytes above. */
const fieldBytes = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0x21, max: 0x7e }),
      fc.integer({ min: 0x80, max: 0xff }),
      fc.constantFrom(0x20, 0x09),
    ),
    { minLength: 1, maxLength: 60 },
  )
  .map((bytes) => Buffer.from(bytes))
  .filter((bytes) => !' \t'.includes(String.fromCharCode(bytes.at(0) ?? 32)))
  .filter((bytes) => !' \t'.includes(String.fromCharCode(bytes.at(-1) ?? 32)))

const utf8 = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).map((text) => Buffer.from(text))

describe.each(EXECUTORS)('on executor %s, a Last-Event-ID', (executor) => {
  /** What the producer was told, as it was sent back. */
  const told = async (testbed: Testbed, ...values: Buffer[]): Promise<unknown> => {
    const client = await testbed.connect()
    const lines = values.map((value) => `Last-Event-ID: ${value.toString('latin1')}\r\n`).join('')
    client.send(`GET /${executor}/id HTTP/1.1\r\nhost: localhost\r\n${lines}\r\n`)
    const { status, body } = await client.response()
    client.destroy()
    expect(status).toBe(200)
    return JSON.parse(body.slice('data: '.length)) as unknown
  }

  test('of any bytes arrives as UTF-8, with U+FFFD where it is none', async () => {
    const testbed = await serve()
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fieldBytes,
          utf8
            .filter((bytes) => bytes.every((byte) => byte >= 0x20 && byte !== 0x7f))
            .filter((bytes) => bytes.toString().trim() === bytes.toString()),
        ),
        async (bytes) => {
          expect(await told(testbed, bytes)).toBe(bytes.toString('utf8'))
        },
      ),
      {
        numRuns: 60,
        examples: [[Buffer.from([0xff])], [Buffer.from([0xf0, 0x9f, 0x98])], [Buffer.from('\u{1f600}')]],
      },
    )
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('may be very long, and one that is too long for Node is refused', async () => {
    const testbed = await serve()
    const long = Buffer.alloc(12_000, 'é')
    expect(await told(testbed, long)).toBe(long.toString())
    const tooLong = await testbed.request(`/${executor}/id`, { 'last-event-id': 'x'.repeat(70_000) })
    expect(tooLong.status).toBe(431)
    await testbed.idle()
  })

  test('that comes twice arrives as HTTP joins it', async () => {
    const testbed = await serve()
    expect(await told(testbed, Buffer.from('a'), Buffer.from('b'))).toBe('a, b')
  })

  test.each([
    ['NUL', '\0'],
    ['CR', '\rx: y'],
    ['LF', 'x\ny'],
  ])('with %s does not get further than HTTP’s parser', async (_, text) => {
    const testbed = await serve()
    const socket = await socketTo(testbed)
    let answer = ''
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
    socket.write(
      `GET /${executor}/id HTTP/1.1\r\nhost: localhost\r\nLast-Event-ID: 1${text}\r\n\r\n`,
      'latin1',
    )
    await once(socket, 'close')
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
    expect(testbed.closed).toEqual([])
  })
})

async function readToEnd(testbed: Testbed, request: string): Promise<Buffer> {
  const socket = await socketTo(testbed)
  socket.write(request)
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
