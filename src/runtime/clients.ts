/** Who has how many streams open: an open stream costs a client nothing, and the server memory and descriptors. */
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

/** Bytes of an IPv6 address that name a network: the rest is its owner's to choose freely (RFC 4291, 2.5.4). */
const NETWORK_BYTES = 8

/** What some gateways write around an address: brackets, and the port of the connection, which is another each time. */
const ADDRESS = /^(?:\[(?<bracketed>[^\]]*)\]|(?<plain>[^:]*))(?::\d+)?$/

/**
 * What tells one client from another, of its address: an IPv4 address as it is, an IPv6 address up to its network of
 * 64 bits, both without brackets and port; anything else as it stands.
 */
export function clientOfAddress(written: string): string {
  const { bracketed, plain } = ADDRESS.exec(written)?.groups ?? {}
  const address = [bracketed, plain].find((part) => part !== undefined && ipaddr.isValid(part)) ?? written
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return new ipaddr.IPv6(parsed.toByteArray().fill(0, NETWORK_BYTES)).toString()
}
