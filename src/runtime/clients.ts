/** Counts the open streams of each client: an open stream costs a client nothing, but the server memory and descriptors. */
import ipaddr from 'ipaddr.js'

export class Clients {
  readonly #open = new Map<string, number>()

  /** Counts one more stream of this client. False, and not counted, when it has as many as it may have. */
  enter(client: string, most: number): boolean {
    const open = this.#open.get(client) ?? 0
    if (open >= most) return false
    this.#open.set(client, open + 1)
    return true
  }

  /** A stream that was counted is over. */
  leave(client: string): void {
    const open = this.#open.get(client) as number
    if (open === 1) this.#open.delete(client)
    else this.#open.set(client, open - 1)
  }
}

/** What one stream takes of the number that its client may have, from {@link take} to {@link leave}. */
export class Seat {
  readonly #clients: Clients
  readonly #client: string
  readonly #most: number
  #isTaken = false

  /** @param most streams that the client may have open at a time, from 1 */
  constructor(clients: Clients, client: string, most: number) {
    this.#clients = clients
    this.#client = client
    this.#most = most
  }

  /** False when the client has as many streams as it may have. */
  take(): boolean {
    this.#isTaken = this.#clients.enter(this.#client, this.#most)
    return this.#isTaken
  }

  /** The stream is over, whether it had a seat or not. */
  leave(): void {
    if (this.#isTaken) this.#clients.leave(this.#client)
  }
}

/** Bytes of an IPv6 address that name a network: its owner chooses the rest freely (RFC 4291, 2.5.4). */
const NETWORK_BYTES = 8

/** IPv6 addresses that a translator makes from IPv4 addresses: their last bytes (RFC 6052, 2.1). */
const TRANSLATED = ipaddr.IPv6.parseCIDR('64:ff9b::/96')
const TRANSLATED_AT = 12

/**
 * The client that an address stands for: of IPv4 the address, of IPv6 its network of 64 bits, of anything else the text
 * as it is.
 *
 * @param written as a proxy may write it: with a port (each connection has another one), in brackets and in quotes
 *   (RFC 7239, 6)
 */
export function clientOfAddress(written: string): string {
  const address = ipaddr.isValid(written) ? written : bare(written)
  if (!ipaddr.isValid(address)) return written
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  const bytes = parsed.toByteArray()
  if (parsed.match(TRANSLATED)) return new ipaddr.IPv4(bytes.slice(TRANSLATED_AT)).toString()
  return new ipaddr.IPv6(bytes.fill(0, NETWORK_BYTES)).toString()
}

/** The address without quotes, brackets and port. */
function bare(written: string): string {
  const [, inBrackets, plain] = /^"?(?:\[([^\]]+)\]|([^"]+?))(?::\d+)?"?$/.exec(written) ?? []
  return inBrackets ?? plain ?? written
}
