/**
 * Other libraries, and none: what headfirst is compared with. Each is a plain module in `peers/`, as a user of the
 * library would write it at its fastest; it imports nothing of headfirst, whose types would clash with theirs.
 */
import type { Server } from 'node:http'
import { extname } from 'node:path'
import type { Payload } from './payload.ts'

/** The peers, and the bytes that each wraps around one line of data. */
export const PEERS = {
  '@fastify/sse': { module: 'fastify-sse', frameBytes: 8 },
  'better-sse': { module: 'better-sse', frameBytes: 7 },
  'better-sse batch': { module: 'better-sse-batch', frameBytes: 7 },
  'fastify-sse-v2': { module: 'fastify-sse-v2', frameBytes: 8 },
  hono: { module: 'hono', frameBytes: 8 },
  'node:http': { module: 'node-http', frameBytes: 8 },
  'node:http at once': { module: 'node-http-at-once', frameBytes: 8 },
  'node:http unflushed': { module: 'node-http-unflushed', frameBytes: 8 },
  'fastify stream': { module: 'fastify-stream', frameBytes: 8 },
  'bare fastify': { module: 'bare-fastify', frameBytes: 8 },
} as const

export type Peer = keyof typeof PEERS

/** Those that a blocking stream is compared with. `node:http` hands over its head at once, and holds each event back. */
export const BASELINES: readonly Peer[] = [
  'node:http unflushed',
  'node:http',
  'node:http at once',
  '@fastify/sse',
  'better-sse',
  'fastify-sse-v2',
  'hono',
]

export const isPeer = (name: string): name is Peer => name in PEERS

/**
 * What a peer's stream is to do: send events of these data; send an event, work, and send another; or what
 * `peers/raw-stream.mjs` does.
 */
export type PeerStream =
  | { name: 'burst'; events: number; payload: (number: number) => Payload }
  | { name: 'block'; work: () => number }
  | { name: 'single' | 'subscribe' }

/** What each module in `peers/` exports. */
export interface PeerModule {
  /** Resolves when the server listens on the loopback interface. */
  listen(streams: Readonly<Record<string, PeerStream>>): Promise<Server>
}

export async function loadPeer(peer: Peer): Promise<PeerModule> {
  // They are not compiled, and stay where they are.
  const folder = extname(import.meta.url) === '.ts' ? './peers/' : '../../../bench/servers/peers/'
  return (await import(new URL(`${folder}${PEERS[peer].module}.mjs`, import.meta.url).href)) as PeerModule
}
