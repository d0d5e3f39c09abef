/** A server of another library, or of none, in a process of its own: what headfirst is compared with. */
import type { Server } from 'node:http'
import { serve } from '../../profiler/load/remote.ts'
import { burn } from './burn.ts'
import { payloads } from './payload.ts'
import { loadPeer, type PeerStream } from './peers.ts'
import { PATHS, type Address, type PeerPlan, type ProducerPlan, type ServerQuestions } from './server-plan.ts'
import { memory, usage } from './usage.ts'

let server: Server | undefined

async function start({ peer, producer, beside }: PeerPlan): Promise<Address> {
  const library = await loadPeer(peer)
  server = await library.listen({
    [PATHS.main]: stream(producer),
    ...(beside === undefined ? {} : { [PATHS.beside]: stream(beside.producer) }),
  })
  // Some promise to keep connections alive, whatever the client has asked for. None is used twice.
  server.keepAliveTimeout = 1
  return { port: (server.address() as { port: number }).port, paths: PATHS }
}

function stream({ name, input }: ProducerPlan): PeerStream {
  if (name === 'burst') return { name, events: input.events, payload: payloads(input) }
  if (name === 'block') return { name, work: () => burn(input.steps) }
  if (name === 'single' || name === 'subscribe') return { name }
  throw new Error(`No peer knows the producer ${name}`)
}

async function connections(): Promise<number> {
  return new Promise((resolve, reject) => {
    if (server === undefined) reject(new Error('The server was not started'))
    server?.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}

serve({
  start,
  async snapshot() {
    const open = await connections()
    return { ...usage(), open: { main: open, beside: open }, routes: undefined }
  },
  memory,
} satisfies ServerQuestions<PeerPlan>)
