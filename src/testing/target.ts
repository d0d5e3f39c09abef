/** The target of a test's stream: an app, or a URL. */
import type { AddressInfo } from 'node:net'
import { HF_ERR_OPTION_INVALID } from '../errors.ts'
import { show } from '../sse/event.ts'

/** The part of a Fastify app that is needed to reach it. */
export interface ListeningApp {
  readonly server: { readonly listening: boolean; address(): AddressInfo | string | null }
  listen(options: { port: number; host: string }): Promise<string>
  readonly initialConfig?: { readonly http2?: boolean; readonly https?: unknown }
}

/** Apps that are about to listen already, for another stream. */
const listening = new WeakMap<ListeningApp, Promise<string>>()

/** Where a request goes, in the options of `node:http`. */
type Place = { host: string; port: number; path?: string } | { socketPath: string }

/** @throws HF_ERR_OPTION_INVALID */
export async function locate(target: ListeningApp | string | URL): Promise<Place> {
  if (typeof target === 'string' || target instanceof URL) {
    const url = URL.canParse(String(target)) ? new URL(target) : undefined
    if (url?.protocol === 'http:') {
      const { hostname, port, pathname, search } = url
      // node:http takes an IPv6 address without its brackets.
      const host = hostname.replaceAll(/^\[|\]$/g, '')
      return { host, port: Number(port || 80), path: pathname + search }
    }
  } else if (typeof (target as Partial<ListeningApp> | null | undefined)?.listen === 'function') {
    const { http2, https } = target.initialConfig ?? {}
    if (http2 !== true && https === undefined) return addressOf(target)
    const expected = 'a Fastify app of HTTP/1.1 without TLS'
    throw new HF_ERR_OPTION_INVALID(
      'target',
      'openStream()',
      expected,
      `one of ${https === undefined ? 'HTTP/2' : 'HTTPS'}`,
    )
  }
  throw new HF_ERR_OPTION_INVALID('target', 'openStream()', 'a Fastify app or an http: URL', show(target))
}

async function addressOf(app: ListeningApp): Promise<Place> {
  if (!app.server.listening) {
    const pending = listening.get(app) ?? app.listen({ port: 0, host: '127.0.0.1' })
    listening.set(app, pending)
    await pending
  }
  const address = app.server.address() as AddressInfo | string
  if (typeof address === 'string') return { socketPath: address }
  const { address: host, port } = address
  const anywhere: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  return { host: anywhere[host] ?? host, port }
}
