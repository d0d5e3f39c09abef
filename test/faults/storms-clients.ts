/**
 * A process of its own: very many clients, of which half reset their connection at a random byte of their request or
 * of its response. Prints as JSON what became of them.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { dice, shuffled } from '../support/random.ts'

export interface Weather {
  /** Clients of each path, by what they did. */
  whole: number
  resetInRequest: number
  resetInResponse: number
  /** Texts of responses that were read to their end, each once. */
  responses: string[]
  /** What befell clients that had meant to read to the end. */
  failures: string[]
}

const [port = '', paths = '', perPath = '', seed = ''] = process.argv.slice(2)

/** Clients at a time: fewer than the kernel's queue of connections that the server has not accepted. */
const LANES = 300
/** Bytes of a whole response at least. */
const RESPONSE_BYTES = 600

const random = dice(Number(seed))
const weather: Record<string, Weather> = {}
const inOrder: string[] = []
for (const path of paths.split(',')) {
  weather[path] = { whole: 0, resetInRequest: 0, resetInResponse: 0, responses: [], failures: [] }
  for (let n = 0; n < Number(perPath); n++) inOrder.push(path)
}
const plan = shuffled(random, inOrder)

const requestTo = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n`

async function open(): Promise<Socket> {
  const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

async function readWhole(path: string, { responses, failures }: Weather): Promise<void> {
  const socket = await open()
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => (text += part))
  socket.write(requestTo(path))
  if (!socket.closed) await once(socket, 'close')
  // The date may differ, and where the server's writes were cut into chunks.
  const body = text.split('\n').filter((line) => /^(id|data): /.test(line))
  if (!text.endsWith('\r\n0\r\n\r\n')) failures.push(text)
  else if (!responses.includes(body.join())) responses.push(body.join())
}

async function resetInRequest(path: string): Promise<void> {
  const text = requestTo(path)
  const socket = await open()
  const length = random(text.length + 1)
  if (length > 0) await new Promise((resolve) => socket.write(text.slice(0, length), resolve))
  socket.resetAndDestroy()
}

async function resetInResponse(path: string): Promise<void> {
  const socket = await open()
  let left = 1 + random(RESPONSE_BYTES)
  const gone = once(socket, 'close')
  socket.on('data', ({ length }) => {
    left -= length
    if (left <= 0) socket.resetAndDestroy()
  })
  socket.write(requestTo(path))
  await gone
}

async function lane(): Promise<void> {
  for (let path = plan.pop(); path !== undefined; path = plan.pop()) {
    const outcome = weather[path] as Weather
    const choice = random(4)
    if (choice < 2) {
      outcome.whole++
      await readWhole(path, outcome)
    } else if (choice === 2) {
      outcome.resetInRequest++
      await resetInRequest(path)
    } else {
      outcome.resetInResponse++
      await resetInResponse(path)
    }
  }
}

await Promise.all(Array.from({ length: LANES }, lane))
process.stdout.write(JSON.stringify(weather))
