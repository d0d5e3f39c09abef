/** The target of a run, from the options of its request. */
import type { Target } from '../plan.ts'
import type { ResolvedRequest } from './resolved-profile.ts'

/** The port of a URL: that of its scheme where it names none. */
export function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}

/**
 * The request's bytes are complete but for its `Connection` field.
 *
 * @param address what connections go to; undefined where the host's name has none
 */
export function targetOf(request: ResolvedRequest, address: string | undefined): Target {
  const { url } = request
  const isSecure = url.protocol === 'https:'
  const given = new Set(request.headers.map(([name]) => name.toLowerCase()))
  const own: [string, string][] = [
    ['Host', url.host],
    ['Accept', 'text/event-stream'],
    ['Cache-Control', 'no-cache'],
    ['User-Agent', 'headfirst-profile'],
  ]
  if (request.body.length > 0) own.push(['Content-Type', 'application/json'])
  const fields = [...own.filter(([name]) => !given.has(name.toLowerCase())), ...request.headers]
  if (request.body.length > 0 || request.method !== 'GET')
    fields.push(['Content-Length', String(request.body.length)])
  const hostname = url.hostname.replaceAll(/[[\]]/g, '')
  return {
    host: request.socketPath === undefined ? (address ?? hostname) : undefined,
    port: request.socketPath === undefined ? portOf(url) : undefined,
    socketPath: request.socketPath,
    tls: isSecure ? { servername: hostname, ca: request.ca, insecure: request.insecure } : undefined,
    head: [
      `${request.method} ${url.pathname}${url.search} HTTP/1.1`,
      ...fields.map(([name, value]) => `${name}: ${value}`),
      '',
    ].join('\r\n'),
    body: request.body,
  }
}
