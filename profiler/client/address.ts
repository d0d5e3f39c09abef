import { lookup } from 'node:dns/promises'
import { connect } from 'node:net'

const WITHIN_MS = 1_000

/**
 * The address to use for all connections. To ask for it each time would measure the resolver, and `localhost` has two
 * of them, of which a server often listens on one.
 *
 * @returns the first that accepts a connection, else the first; undefined where there is none
 */
export async function addressOf(host: string, port: number): Promise<string | undefined> {
  const found = await lookup(host, { all: true }).catch(() => [])
  for (const { address } of found.length > 1 ? found : []) if (await accepts(address, port)) return address
  return found[0]?.address
}

async function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: WITHIN_MS })
    const settle = (accepted: boolean) => (): void => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', settle(true))
    socket.once('error', settle(false))
    socket.once('timeout', settle(false))
  })
}
