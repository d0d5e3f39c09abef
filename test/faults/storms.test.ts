import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { workers, type CloseInfo } from '../../src/index.ts'
import { EVENTS, trickles } from './storms-producers.ts'
import type { Weather } from './storms-clients.ts'
import { untilPatiently as until } from '../support/waiting.ts'
import { LONG, SEED } from '../support/random.ts'
import { EXECUTORS } from '../support/executors.ts'
import { Testbed } from '../support/testbed.ts'
import { runScript } from '../support/processes.ts'

/** Runs clients in a process of their own to their end. The time-out is for safety only. */
async function storm(port: number, paths: string[], perPath: number): Promise<Record<string, Weather>> {
  return runScript(new URL('./storms-clients.ts', import.meta.url), {
    args: [port, paths.join(), perPath, SEED],
    timeout: 600_000,
  })
}

const CLIENTS = LONG ? 5_000 : 400

test(
  `${CLIENTS} clients of each executor, half of which reset at a random byte, leave nothing behind (seed ${SEED})`,
  { timeout: LONG ? 900_000 : 120_000 },
  async () => {
    const testbed = await Testbed.everywhere({
      // A busy machine may keep a thread from its core for longer than the grace of a producer that was cancelled.
      executors: { workers: workers({ threads: 2, niceIncrement: 0, graceMs: 60_000 }) },
    })
    const { app } = testbed
    const opened: Record<string, string[]> = {}
    const closed: Record<string, [id: string, CloseInfo][]> = {}
    for (const executor of EXECUTORS) {
      const ids = (opened[executor] = [] as string[])
      const infos = (closed[executor] = [] as [string, CloseInfo][])
      const sse = {
        executor,
        onOpen: (_: unknown, { id }: { id: string }) => void ids.push(id),
        onClose: (info: CloseInfo, { id }: { id: string }) => void infos.push([id, info]),
      }
      app.get(`/${executor}`, { sse }, async (_, reply) => reply.sse(trickles))
    }
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const paths = EXECUTORS.map((executor) => `/${executor}`)
    const weather = await storm(port, paths, CLIENTS)

    let connections = -1
    await until(() => {
      app.server.getConnections((_, count) => (connections = count))
      return connections === 0
    }, 'the connections to be closed')
    await testbed.idle()
    const { executors, routes } = app.sse.stats()
    const body = Array.from({ length: EVENTS }, (_, n) => `id: ${n},data: ${'x'.repeat(40)}`).join()
    for (const executor of EXECUTORS) {
      const { whole, resetInRequest, resetInResponse, responses, failures } = weather[
        `/${executor}`
      ] as Weather
      expect(executors[executor]).toMatchObject({ running: 0, waiting: 0, refused: 0, lost: 0 })
      // Who read on got all, and nothing else.
      expect({ responses, failures }).toEqual({ responses: [body], failures: [] })
      expect(whole + resetInRequest + resetInResponse).toBe(CLIENTS)
      expect(Math.min(resetInRequest, resetInResponse)).toBeGreaterThan(CLIENTS / 8)

      // Each stream that was opened was closed, once.
      const ids = opened[executor] as string[]
      const infos = closed[executor] as [string, CloseInfo][]
      expect(infos.map(([id]) => id).toSorted()).toEqual(ids.toSorted())
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.length).toBeGreaterThanOrEqual(whole + resetInResponse)
      const reasons: Record<string, number> = {}
      for (const [, { reason }] of infos) reasons[reason] = (reasons[reason] ?? 0) + 1
      expect(Object.keys(reasons).toSorted()).toEqual(['client', 'ended'])
      expect(reasons['ended']).toBeGreaterThanOrEqual(whole)
      expect(routes[`GET /${executor}`]).toMatchObject({ open: 0, opened: ids.length, closed: reasons })
    }
    // Nobody was harmed: nothing was logged, and all are served.
    expect(testbed.logged).toEqual([])
    const again = await storm(port, paths, 4)
    for (const { failures } of Object.values(again)) expect(failures).toEqual([])
    await testbed.idle()
  },
)
