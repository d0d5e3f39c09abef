import { readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import type { FastifyServerOptions } from 'fastify'

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8')

/** Test material: a certificate for localhost, valid until 2126, whose key is public. */
export const CERTIFICATE: string = read('test-only-certificate.pem')

/** How a client talks to the server. */
export type Protocol = 'HTTPS' | 'HTTPS beside HTTP/2' | 'HTTP/2 over TLS' | 'h2c'

/** Of a server of TLS. */
export const TLS: { key: string; cert: string } = { key: read('test-only-key.pem'), cert: CERTIFICATE }

/** Fastify's options for each; its types have these by other names only. */
export const SERVERS: Readonly<Record<Protocol, FastifyServerOptions>> = {
  HTTPS: { https: TLS } as FastifyServerOptions,
  'HTTPS beside HTTP/2': { http2: true, https: { ...TLS, allowHTTP1: true } } as FastifyServerOptions,
  'HTTP/2 over TLS': { http2: true, https: { ...TLS, allowHTTP1: true } } as FastifyServerOptions,
  h2c: { http2: true } as FastifyServerOptions,
}

/** The ALPN protocol (RFC 7301) that a client offers: its HTTP version, where TLS decides it. */
export const isHttp2 = (protocol: Protocol): boolean => protocol === 'HTTP/2 over TLS' || protocol === 'h2c'

export const origin = (protocol: Protocol, port: number): string =>
  `${protocol === 'h2c' ? 'http' : 'https'}://localhost:${port}`

/** Node's types lack the one. */
export type TlsRequestOptions = RequestOptions & { ALPNProtocols: string[] }
