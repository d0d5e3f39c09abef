/** The thread of an {@link Observer}: one request over HTTP/1.1, whose course stands in flags while it runs. */
import { request, type IncomingMessage } from 'node:http'
import { pipeline, type Readable, type Transform } from 'node:stream'
import { parentPort, workerData } from 'node:worker_threads'
import zlib from 'node:zlib'
import { Flag, raise } from './flags.ts'
import type { Observed, ObserverCommand, ObserverSettings } from './observer.ts'

const { port, path, headers, paused, flags } = workerData as ObserverSettings

/** Nothing is read from the socket as long as the body has no listener. */
let mayRead = !paused
let head: IncomingMessage | undefined

const client = request({ port, path, headers, agent: false }, (response) => {
  raise(flags, Flag.HEAD)
  head = response
  if (mayRead) read(response)
})
client.on('error', () => {})
client.on('finish', () => raise(flags, Flag.SENT))
client.end()
parentPort?.on('message', (command: ObserverCommand) => {
  if (command === 'leave') client.destroy()
  if (command !== 'read') return
  // The command may come before the head.
  mayRead = true
  if (head !== undefined) read(head)
})

function read(response: IncomingMessage): void {
  const texts: string[] = []
  let rest = ''
  const body = decoded(response)
  body.setEncoding('utf8')
  body.on('data', (text: string) => {
    texts.push(text)
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() as string
    // Comments and a retry may stand before an event, and an event may have no data: a client dispatches none of them.
    for (const block of blocks) if (/^data/m.test(block)) raise(flags, Flag.EVENTS)
  })
  body.on('error', () => {})
  body.on('close', () => {
    raise(flags, Flag.OVER)
    parentPort?.postMessage({
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: texts.join(''),
      complete: response.complete && body.readableEnded,
    } satisfies Observed)
  })
}

/** The body without its content coding, as it comes. */
function decoded(response: IncomingMessage): Readable {
  const coding = response.headers['content-encoding']
  const decoders = zlib as unknown as Record<string, undefined | (() => Transform)>
  const make = { gzip: 'createGunzip', br: 'createBrotliDecompress', zstd: 'createZstdDecompress' }[
    coding ?? ''
  ]
  const decoder = make === undefined ? undefined : decoders[make]?.()
  return decoder === undefined ? response : pipeline(response, decoder, () => {})
}
