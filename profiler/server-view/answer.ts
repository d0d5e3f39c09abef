/** One question to a server with headfirst's option `profile`, and its answer. */
import { request as requestPlainly, type IncomingMessage } from 'node:http'
import { request as requestSecurely } from 'node:https'
import type { Trust } from '../plan.ts'
import type { WaitDistribution } from './queue-waits.ts'

/** One answer of the server: all of it since the answer before. */
export interface ServerProfile {
  /** The server's clock, in ms since 1970. */
  nowMs: number
  sinceMs: number
  threads: { name: string; utilisation: number }[]
  /** By executor. Percentiles of a whole run need the distributions of all its answers. */
  queueWaits: Record<string, { maxMs: number; distribution: WaitDistribution }>
  blocked: { atMs: number; forMs: number; routes: string[] }[]
}

const WITHIN_MS = 5_000
const LONGEST_ANSWER = 4_194_304

/** @throws when there is no such answer in time, or the signal aborts */
export async function askServer(
  url: URL,
  token: string,
  trust: Trust,
  signal?: AbortSignal,
): Promise<ServerProfile> {
  const { status, text } = await get(url, token, trust, signal)
  if (status === 404) {
    throw new Error(
      `${url.href} answers 404: is headfirst registered there with profile: { path, token }, and is the token that one?`,
    )
  }
  if (status !== 200) throw new Error(`${url.href} answers ${status}`)
  return profileIn(text, url)
}

async function get(
  url: URL,
  token: string,
  { ca, insecure }: Trust,
  signal: AbortSignal | undefined,
): Promise<{ status: number | undefined; text: string }> {
  const send = url.protocol === 'https:' ? requestSecurely : requestPlainly
  return new Promise((resolve, reject) => {
    const request = send(url, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      rejectUnauthorized: !insecure,
      ...(ca === undefined ? {} : { ca }),
      ...(signal === undefined ? {} : { signal }),
    })
    // Of the whole answer: a server that sends a byte now and then would never be idle for so long.
    const deadline = setTimeout(
      () => request.destroy(new Error(`no answer within ${WITHIN_MS} ms`)),
      WITHIN_MS,
    )
    request.on('close', () => clearTimeout(deadline))
    request.on('error', reject)
    request.on('response', (response: IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
        if (text.length > LONGEST_ANSWER) request.destroy(new Error('the answer is too long'))
      })
      response.on('end', () => resolve({ status: response.statusCode, text }))
      response.on('error', reject)
    })
    request.end()
  })
}

function profileIn(text: string, url: URL): ServerProfile {
  try {
    const profile = JSON.parse(text) as ServerProfile
    const waits = Object.values(profile.queueWaits)
    const isWhole = waits.every(({ distribution }) => Array.isArray(distribution))
    if (isWhole && Array.isArray(profile.threads) && Array.isArray(profile.blocked)) return profile
  } catch {
    // The error below is the same for what is no JSON and for another shape.
  }
  throw new Error(`${url.href} answers something else than the profile of headfirst`)
}
