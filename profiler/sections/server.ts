/** The server's own view: how busy its threads were, how long streams waited, what blocked its loop. */
import type { Block, Table } from '../report/document.ts'
import type { ServerView } from '../server-view/server-view.ts'
import { right } from './columns.ts'
import { count, ms, times } from './quantities.ts'

/** Only the tables in which something stands. */
export function serverTables(view: ServerView): Block[] {
  const made: Block[] = []
  if (view.threads.length > 0) made.push(threadTable(view))
  if (view.queueWaits.length > 0) made.push(queueTable(view))
  if (view.incidents.length > 0) made.push(incidentTable(view))
  return made
}

export function serverWords({ failure, incidents }: ServerView): string[] {
  const words: string[] = []
  if (failure !== undefined) words.push(`The server's own view is not complete: ${failure}.`)
  const [worst] = incidents.toSorted((one, other) => other.forMs - one.forMs)
  if (worst !== undefined) {
    words.push(
      `The server's loop was blocked ${times(incidents.length)}, at worst for ${ms(worst.forMs)} while these ran: ${routesOf(worst.routes)}.`,
    )
  }
  return words
}

function threadTable({ threads }: ServerView): Table {
  return {
    kind: 'table',
    title: "How busy the server's threads were",
    columns: [{ title: 'thread' }, right('mean'), right('highest second')],
    rows: threads.map(({ name, points }) => {
      const shares = points.map(([, share]) => share)
      return [name, shares.reduce((sum, share) => sum + share, 0) / shares.length, Math.max(...shares)]
    }),
    notes: ['Utilisation of their event loops, from 0 to 1.'],
  }
}

function queueTable({ queueWaits }: ServerView): Table {
  return {
    kind: 'table',
    title: 'How long streams waited for their producer, on the server',
    columns: [
      { title: 'executor' },
      right('streams'),
      right('p50', 'ms'),
      right('p99', 'ms'),
      right('max', 'ms'),
    ],
    rows: queueWaits.map(({ executor, count: streams, p50Ms, p99Ms, maxMs }) => [
      executor,
      count(streams),
      p50Ms,
      p99Ms,
      maxMs,
    ]),
    notes: [
      'Wait = start of the producer − head sent, of all streams since the profiler began, warm-up included; p50 and p99 within one percent. No p99 from fewer than 1,000 streams.',
    ],
  }
}

const MOST_INCIDENTS = 10

function incidentTable({ incidents }: ServerView): Table {
  const byRoute = new Map<string, { times: number; totalMs: number; longestMs: number }>()
  for (const { forMs, routes } of incidents) {
    const name = routesOf(routes)
    const known = byRoute.get(name) ?? { times: 0, totalMs: 0, longestMs: 0 }
    known.times++
    known.totalMs += forMs
    known.longestMs = Math.max(known.longestMs, forMs)
    byRoute.set(name, known)
  }
  const rows = [...byRoute].toSorted(([, one], [, other]) => other.totalMs - one.totalMs)
  return {
    kind: 'table',
    title: "When the server's loop was blocked",
    columns: [
      { title: 'producers that ran there' },
      right('times'),
      right('longest', 'ms'),
      right('in all', 'ms'),
    ],
    rows: rows
      .slice(0, MOST_INCIDENTS)
      .map(([name, { times: number, longestMs, totalMs }]) => [name, count(number), longestMs, totalMs]),
    notes: ['Several routes in one line: one of them, since all of them had a producer on that thread.'],
  }
}

export function routesOf(routes: readonly string[]): string {
  return routes.length === 0 ? 'none of headfirst' : routes.join(', ')
}
