import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openStream, type OpenedStream } from '../../src/testing/index.ts'
import { get } from '../support/raw-client.ts'
import { EXECUTORS } from '../support/executors.ts'
import { startScript } from '../support/processes.ts'

const FAREWELL = /: the server is closing\nretry: (\d+)\n$/
/** More than two kernels take on their own. */
const LARGE_BYTES = 16_000_000
const TIMEOUT = { timeout: 60_000 }

/** A server in a process of its own. */
interface Server {
  open(path: string): Promise<OpenedStream>
  /** A client that does not read, from the middle of an event on. */
  openPaused(path: string): Promise<LateReader>
  terminate(): void
  /** Resolves when it has closed, with the most streams of a route that are open then. */
  closed(): Promise<string>
  /** Resolves with exit code and signal. */
  exit: Promise<unknown[]>
}

async function start(graceMs: number): Promise<Server> {
  const { child, line } = startScript(new URL('./sigterm-server.ts', import.meta.url), {
    args: [graceMs, LARGE_BYTES],
  })
  const exit = once(child, 'exit')
  const port = Number(await line())
  return {
    open: async (path) => openStream(`http://127.0.0.1:${port}${path}`),
    openPaused: async (path) => LateReader.open(port, path),
    terminate: () => void child.kill('SIGTERM'),
    closed: line,
    exit,
  }
}

/** A client that has read the beginning of an event, and reads on when it is told to. */
class LateReader {
  readonly #socket: Socket
  readonly #parts: Buffer[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (part: Buffer) => this.#parts.push(part))
  }

  static async open(port: number, path: string): Promise<LateReader> {
    const socket = connect({ port, host: '127.0.0.1' })
    onTestFinished(() => void socket.destroy())
    const reader = new LateReader(socket)
    socket.write(get(path, { connection: 'close' }))
    while (!Buffer.concat(reader.#parts).includes('data: x')) await once(socket, 'data')
    socket.pause()
    return reader
  }

  /** All that came. */
  async readOn(): Promise<string> {
    const over = once(this.#socket, 'close')
    this.#socket.resume()
    await over
    return Buffer.concat(this.#parts).toString('latin1')
  }
}

/** Whole events, numbered without a hole, and then the farewell. */
function expectTicks(body: string): void {
  const blocks = body.replace(FAREWELL, '').split('\n\n')
  expect(blocks.pop()).toBe('')
  expect(blocks.length).toBeGreaterThan(0)
  for (const [n, block] of blocks.entries()) {
    expect(block).toBe(`id: ${n}\ndata: number ${n}\ndata: of many`)
  }
}

test(
  'a server that closes on SIGTERM with everything open ends by itself, and cuts nobody',
  TIMEOUT,
  async () => {
    const graceMs = 50_000
    const server = await start(graceMs)
    // Two threads that never look up, and streams that wait for them.
    const blocked = [await server.open('/blocked'), await server.open('/blocked')]
    for (const stream of blocked) expect((await stream.next())?.data).toBe('up')
    const queued = [
      await server.open('/blocked'),
      await server.open('/blocked'),
      await server.open('/blocked'),
    ]
    // Streams that send, and one in the middle of a large event, which its client takes only later.
    const ticking: OpenedStream[] = []
    const behind: LateReader[] = []
    for (const executor of EXECUTORS) {
      for (let n = 0; n < 3; n++) ticking.push(await server.open(`/${executor}/ticks`))
      behind.push(await server.openPaused(`/${executor}/large`))
    }
    for (const stream of ticking) expect((await stream.next())?.id).toBe('0')

    server.terminate()
    for (const stream of [...blocked, ...queued, ...ticking]) {
      const body = await stream.text()
      expect(await stream.closed).toEqual({ complete: true })
      expect(Number(FAREWELL.exec(body)?.[1])).toBeGreaterThan(graceMs)
    }
    for (const stream of blocked) expect(await stream.text()).toMatch(/^data: up\n\n: the/)
    for (const stream of queued) expect(await stream.text()).toMatch(/^: the/)
    for (const stream of ticking) expectTicks(await stream.text())
    // Their event and their farewell have waited for them.
    for (const response of await Promise.all(behind.map(async (client) => client.readOn()))) {
      const event = `id: 0\ndata: ${'x'.repeat(LARGE_BYTES)}\n\n`
      // Compared so, because a difference would be shown in full.
      const at = response.indexOf(event)
      expect(at).toBeGreaterThan(0)
      const rest = response.slice(at + event.length)
      expect(rest).toMatch(/: the server is closing\nretry: \d+\n\r\n0\r\n\r\n$/)
    }
    expect(await server.closed()).toBe('closed 0')
    expect(await server.exit).toEqual([0, null])
  },
)

test('clients that do not read keep it no longer than its grace', TIMEOUT, async () => {
  const server = await start(300)
  const unread: LateReader[] = []
  for (const executor of EXECUTORS) unread.push(await server.openPaused(`/${executor}/large`))
  const ticking = await server.open('/inline/ticks')
  server.terminate()
  expectTicks(await ticking.text())
  expect(await server.closed()).toBe('closed 0')
  expect(await server.exit).toEqual([0, null])
  for (const response of await Promise.all(unread.map(async (client) => client.readOn()))) {
    expect(response.endsWith('\r\n0\r\n\r\n')).toBe(false)
  }
})
