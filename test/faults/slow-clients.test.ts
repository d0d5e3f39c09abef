import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { CloseInfo, Executor, RouteStats, SseRouteOptions } from '../../src/index.ts'
import { Flag, makeFlags, raise, type Flags } from '../../src/testing/flags.ts'
import { openStream } from '../../src/testing/open-stream.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { watching, type Watched } from '../support/watched-executor.ts'
import { EVENT_BYTES, flows, pours } from './slow-clients-producers.ts'
import type { Poured } from './slow-clients-client.ts'
import { untilPatiently as until } from '../support/waiting.ts'
import { EXECUTORS } from '../support/executors.ts'
import { startScript, type RunningScript } from '../support/processes.ts'
import { BUILT_IN } from '../support/built-in-executors.ts'

const MAX_BUFFERED = 400_000
const NEIGHBOUR = { events: 300 }
const FIELDS_BYTES = 100

interface Pouring {
  testbed: Testbed
  port: number
  /** By executor: what waited for clients of its route `pours`. */
  watched: Record<string, Watched>
  /** By executor: how streams of its route `pours` went. */
  closed: Record<string, CloseInfo[]>
  /** Raised, the producers end. */
  flags: Flags
  route: (executor: string) => RouteStats
}

/** A server on which each executor has a route that pours, and one for a neighbour. */
async function serve(overflow: NonNullable<SseRouteOptions['overflow']>): Promise<Pouring> {
  const watched: Record<string, Watched> = {}
  const executors: Record<string, Executor> = {}
  for (const name of EXECUTORS) {
    watched[name] = { most: 0, buffered: () => 0, events: () => 0 }
    executors[name] = watching(BUILT_IN[name](), watched[name], `GET /${name}/pours`)
  }
  const testbed = await Testbed.make({ executors })
  const closed: Record<string, CloseInfo[]> = {}
  const flags = makeFlags()
  for (const executor of EXECUTORS) {
    const infos = (closed[executor] = [] as CloseInfo[])
    const onClose = (info: CloseInfo): void => void infos.push(info)
    const sse = { executor, overflow, maxBuffered: MAX_BUFFERED, onClose }
    testbed.app.get(`/${executor}/pours`, { sse }, async (_, reply) => reply.sse(pours, { flags }))
    testbed.app.get(`/${executor}/flows`, { sse: { executor } }, async (_, reply) =>
      reply.sse(flows, NEIGHBOUR),
    )
  }
  const port = await testbed.listen()
  const route = (executor: string): RouteStats =>
    testbed.app.sse.stats().routes[`GET /${executor}/pours`] as RouteStats
  return { testbed, port, watched, closed, flags, route }
}

/** A neighbour on each executor gets all of its events, in order. */
async function expectNeighbours({ testbed }: Pouring): Promise<void> {
  const read = async (executor: string): Promise<void> => {
    const stream = await openStream(testbed.app, { path: `/${executor}/flows` })
    const ids: number[] = []
    for await (const { id } of stream.events) ids.push(Number(id))
    expect(ids).toEqual(Array.from({ length: NEIGHBOUR.events }, (_, n) => n))
    expect(await stream.closed).toEqual({ complete: true })
  }
  await Promise.all(EXECUTORS.map(read))
}

function expectBounded({ watched }: Pouring): void {
  for (const executor of EXECUTORS) {
    expect(watched[executor]?.most).toBeLessThanOrEqual(MAX_BUFFERED + EVENT_BYTES + FIELDS_BYTES)
  }
}

/** A client that takes single bytes from the kernel, when it is told to. */
class ByteReader {
  readonly #socket: Socket
  #onByte: (() => void) | undefined
  text = ''

  private constructor(port: number) {
    const buffer = Buffer.alloc(1)
    const callback = (): boolean => {
      this.text += buffer.toString('latin1')
      this.#onByte?.()
      return false
    }
    this.#socket = connect({ port, host: '127.0.0.1', onread: { buffer, callback } })
    this.#socket.on('error', () => {})
    onTestFinished(() => void this.#socket.destroy())
  }

  static async open(port: number, path: string): Promise<ByteReader> {
    const reader = new ByteReader(port)
    const first = new Promise<void>((resolve) => (reader.#onByte = resolve))
    reader.#socket.write(get(path))
    await first
    return reader
  }

  async read(): Promise<void> {
    const next = new Promise<void>((resolve) => (this.#onByte = resolve))
    this.#socket.resume()
    await next
  }
}

const TIMEOUT = { timeout: 60_000 }

test(
  'clients that read byte by byte, or not at all, are closed as overflow, and no neighbour minds',
  TIMEOUT,
  async () => {
    const pouring = await serve('close')
    const { testbed, port, closed } = pouring
    const readers: ByteReader[] = []
    for (const executor of EXECUTORS) {
      readers.push(await ByteReader.open(port, `/${executor}/pours`))
      const silent = connect({ port, host: '127.0.0.1' }).pause()
      onTestFinished(() => void silent.destroy())
      silent.on('error', () => {}).write(get(`/${executor}/pours`))
    }
    const neighbours = expectNeighbours(pouring)
    for (let n = 0; n < 100; n++) await Promise.all(readers.map(async (reader) => reader.read()))
    for (const { text } of readers) expect(text).toHaveLength(101)
    for (const executor of EXECUTORS) {
      await until(() => closed[executor]?.length === 2, `the streams on ${executor} to be closed`)
      for (const info of closed[executor] as CloseInfo[]) {
        expect(info).toMatchObject({ reason: 'overflow', dropped: 0, executor })
      }
    }
    await neighbours
    expectBounded(pouring)
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  },
)

test(
  'where events may be dropped, clients that read byte by byte keep their stream, until they leave',
  TIMEOUT,
  async () => {
    const pouring = await serve('drop-oldest')
    const { testbed, port, closed, route } = pouring
    const readers = await Promise.all(
      EXECUTORS.map(async (executor) => ByteReader.open(port, `/${executor}/pours`)),
    )
    for (const executor of EXECUTORS) {
      await until(() => route(executor).open === 1, `the stream on ${executor}`)
    }
    const neighbours = expectNeighbours(pouring)
    for (let n = 0; n < 100; n++) await Promise.all(readers.map(async (reader) => reader.read()))
    for (const executor of EXECUTORS) {
      const { events } = pouring.watched[executor] as Watched
      // More than kernels and the bound hold together.
      await until(() => events() > 300, `enough events on ${executor}`)
      expect(closed[executor]).toEqual([])
    }
    await neighbours
    expectBounded(pouring)
    await testbed.app.close()
    for (const executor of EXECUTORS) expect(closed[executor]).toMatchObject([{ reason: 'shutdown' }])
  },
)

/** A client of all executors, in a process of its own, that has its first events. */
async function startClient(port: number): Promise<RunningScript> {
  const paths = EXECUTORS.map((executor) => `/${executor}/pours`).join()
  const client = startScript(new URL('./slow-clients-client.ts', import.meta.url), { args: [port, paths] })
  expect(await client.line()).toBe('open')
  return client
}

test(
  'a client whose process is stopped takes no memory, and gets the newest events when it goes on',
  TIMEOUT,
  async () => {
    const pouring = await serve('drop-oldest')
    const { testbed, port, closed, flags, watched } = pouring
    const { child, line } = await startClient(port)
    child.kill('SIGSTOP')
    const neighbours = expectNeighbours(pouring)
    for (const executor of EXECUTORS) {
      const { events } = watched[executor] as Watched
      const enough = events() + 300
      await until(() => events() > enough, `enough events on ${executor}`)
      expect(closed[executor]).toEqual([])
    }
    await neighbours
    expectBounded(pouring)
    raise(flags, Flag.GO)
    child.kill('SIGCONT')
    const poured = JSON.parse(await line()) as Record<string, Poured>
    for (const executor of EXECUTORS) {
      const { ids, last, complete } = poured[`/${executor}/pours`] as Poured
      expect(complete).toBe(true)
      expect(ids).toEqual(ids.toSorted((a, b) => a - b))
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.at(-1)).toBe(last)
      const [info] = closed[executor] as [CloseInfo]
      expect(info).toMatchObject({ reason: 'ended', events: (last as number) + 1 })
      expect(ids.length).toBe(info.events - info.dropped)
      expect(info.dropped).toBeGreaterThan(0)
    }
    await testbed.idle()
  },
)

test.each(['close', 'drop-oldest'] as const)(
  'a client that is killed without a word, with overflow %s, has left',
  TIMEOUT,
  async (overflow) => {
    const pouring = await serve(overflow)
    const { testbed, port, closed } = pouring
    const { child } = await startClient(port)
    const exit = once(child, 'exit')
    child.kill('SIGSTOP')
    child.kill('SIGKILL')
    await exit
    for (const executor of EXECUTORS) {
      await until(() => closed[executor]?.length === 1, `the stream on ${executor} to be closed`)
      // Who is killed has been behind for a moment.
      const reasons = overflow === 'close' ? ['client', 'overflow'] : ['client']
      expect(reasons).toContain(closed[executor]?.[0]?.reason)
    }
    expectBounded(pouring)
    await expectNeighbours(pouring)
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  },
)
