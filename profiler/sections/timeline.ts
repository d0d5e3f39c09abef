/** How busy the threads of server and generator were, over time, with what blocked the server's loop. */
import type { Timeline } from '../report/document.ts'
import type { Load, Measurement } from '../plan.ts'
import type { ServerView } from '../server-view/server-view.ts'
import { routesOf } from './server.ts'

export function timeline(
  { busy, startMs, generators }: Measurement,
  { warmupMs }: Load,
  server: ServerView | undefined,
): Timeline {
  const who = generators === 1 ? 'generator' : 'busiest generator'
  // Seconds of the time that counts.
  const aheadSeconds = server === undefined ? 0 : (startMs + warmupMs - server.startedMs) / 1_000
  const counted = (points: readonly [seconds: number, share: number][]): [number, number][] =>
    points
      .map(([seconds, share]): [number, number] => [seconds - aheadSeconds, share])
      .filter(([seconds]) => seconds >= 0)
  return {
    kind: 'timeline',
    title: server === undefined ? `How busy the ${who} was` : `How busy the server and the ${who} were`,
    series: [
      ...(server?.threads ?? []).map(({ name, points }) => ({ name, points: counted(points) })),
      { name: who, points: busy.filter(([seconds]) => seconds >= 0) },
    ],
    incidents: (server?.incidents ?? [])
      .filter(({ atSeconds }) => atSeconds >= aheadSeconds)
      .map(({ atSeconds, forMs, routes }) => ({
        atSeconds: atSeconds - aheadSeconds,
        forMs,
        label: `blocked: ${routesOf(routes)}`,
      })),
    notes: ["Utilisation of each thread's event loop, by second."],
  }
}
