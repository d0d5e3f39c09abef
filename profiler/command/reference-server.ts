/**
 * Servers of known delays, in a process of their own: what the profiler is measured with. They stamp their own times, on the clock that all processes of a host share.
 */
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { nowMs } from '../clock.ts'
import { serve } from '../load/remote.ts'
import { DELAYS, FLOOD_EVENTS } from './reference-figures.ts'

/**
 * - `delays`: the head after 10 ms, for 2 of 100 clients after 500 ms, the first event 10 ms later, two more in steps
 *   of 20 ms; and once the server stalls for 2 s
 * - `unflushed`, `flushed`: node:http whose first event comes 50 ms after the handler has begun; the head leaves with
 *   it, or at once
 * - `instant`: head, event and end at once
 * - `flood`: 200,000 events in each stream, as fast as they go
 */
export type ReferenceKind = 'delays' | 'unflushed' | 'flushed' | 'instant' | 'flood'

/** When a stream's head and each of its events were handed to the kernel, in the order of the connections. */
export interface Stamps {
  headMs: number
  eventsMs: number[]
}

// A type and not an interface: those have no index signature.
export type ReferenceQuestions = {
  start(kind: ReferenceKind): Promise<number>
  /** Stalls once, this long from now. */
  stallAfter(ms: number): void
  stamps(nothing: undefined): Stamps[]
  /** The stamps, and how many streams there were. */
  forget(nothing: undefined): void
}

/** Each 50th, from the 25th on. */
const RARE_EACH = 50
const FLUSHED_AFTER_MS = 50
const FLOOD_CHUNK_EVENTS = 1_000

const HEAD =
  'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n'
const END = '0\r\n\r\n'
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`

const stamps: Stamps[] = []
const FLOOD_CHUNK = Buffer.from(
  chunk('data: {"price":101.25,"symbol":"HEAD"}\n\n'.repeat(FLOOD_CHUNK_EVENTS)),
)

async function delayed(socket: Socket): Promise<void> {
  const stamp: Stamps = { headMs: 0, eventsMs: [] }
  const rare = stamps.push(stamp) % RARE_EACH === RARE_EACH / 2
  await sleep(rare ? DELAYS.rareMs : DELAYS.usualMs)
  stamp.headMs = nowMs()
  socket.write(HEAD)
  await sleep(DELAYS.eventMs)
  for (let event = 0; event < 3; event++) {
    if (event > 0) await sleep(DELAYS.gapMs)
    stamp.eventsMs.push(nowMs())
    socket.write(chunk(`data: {"n":${event},"at":${process.hrtime.bigint()}}\n\n`))
  }
  socket.end(END)
}

function flood(socket: Socket): void {
  let sent = 0
  socket.write(HEAD)
  const more = (): void => {
    while (sent < FLOOD_EVENTS) {
      sent += FLOOD_CHUNK_EVENTS
      if (!socket.write(FLOOD_CHUNK)) {
        socket.once('drain', more)
        return
      }
    }
    socket.end(END)
  }
  more()
}

const INSTANT = HEAD + chunk('data: 0\n\n') + END

/** As each library would, without one: by the first bytes of a request, since all of them are alike. */
function raw(respond: (socket: Socket) => void): Server {
  return createServer((socket) => {
    socket.setNoDelay(true)
    socket.once('data', () => respond(socket))
    socket.on('error', () => socket.destroy())
  })
}

function http(isFlushed: boolean): Server {
  return createHttpServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (isFlushed) response.flushHeaders()
    setTimeout(() => response.end('data: 0\n\n'), FLUSHED_AFTER_MS)
  })
}

function serverOf(kind: ReferenceKind): Server {
  switch (kind) {
    case 'delays':
      return raw((socket) => void delayed(socket))
    case 'unflushed':
      return http(false)
    case 'flushed':
      return http(true)
    case 'instant':
      return raw((socket) => socket.end(INSTANT))
    case 'flood':
      return raw(flood)
    default:
      return kind satisfies never
  }
}

serve({
  async start(kind) {
    const server = serverOf(kind)
    await new Promise<void>((resolve) =>
      server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, resolve),
    )
    return (server.address() as AddressInfo).port
  },
  stallAfter(ms) {
    setTimeout(() => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DELAYS['stallMs'])
    }, ms)
  },
  stamps: () => stamps,
  forget() {
    stamps.length = 0
  },
} satisfies ReferenceQuestions)
