/**
 * The long form of `leaks.test.ts`: `npm run leaks`, or with fewer cycles of each executor and reason:
 * `npm run leaks -- 10000`. Compiled, since what loads TypeScript keeps a little of every thread that dies.
 *
 * A slope is that of the line of least squares through the heap after each tenth of the cycles, garbage collected, with
 * its interval of 95 %. The least that a cycle can leave behind is a word of 8 bytes; those of 100,000 are as much as a
 * heap grows by itself, while functions are compiled and optimized. So fewer cycles are judged by the same growth.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { line } from '../../bench/statistics/line.ts'
import { cellText } from '../../profiler/report/cells.ts'
import { table } from '../../profiler/report/table.ts'
import type { Cell, Report } from './leaks-cycles.ts'
import { EXECUTORS } from '../support/executors.ts'

/** A word of 8 bytes for each of 100,000 cycles. */
const GROWTH_BYTES = 800_000
const PARTS = 10
/** Some are made when something happens for the first time. */
const FEW_FUNCTIONS = 100
/** Node keeps the date of its responses for a second. */
const FEW_TIMERS = 2

const [cycles = '100000'] = process.argv.slice(2)

async function report(executor: string): Promise<Report> {
  const script = fileURLToPath(new URL('./leaks-cycles.js', import.meta.url))
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', '--expose-gc', script, executor, cycles, String(PARTS)],
    { maxBuffer: 2 ** 26 },
  )
  return JSON.parse(stdout) as Report
}

const sum = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0)

function row(cell: Cell): (string | number)[] {
  const { executor, reason, looks, seconds, killed } = cell
  const [first, last] = [looks[0], looks.at(-1)] as [Cell['looks'][0], Cell['looks'][0]]
  const xs = looks.map((look) => look.cycles)
  const heap = line(
    xs,
    looks.map(({ heapBytes }) => heapBytes),
  )
  const slopes = [
    line(
      xs,
      looks.map(({ externalBytes }) => externalBytes),
    ),
    line(
      xs,
      looks.map(({ threadHeapBytes }) => threadHeapBytes),
    ),
  ].map(({ slope }) => slope.toFixed(2))
  const differences = [
    sum(last.handles) - sum(first.handles),
    (last.files ?? 0) - (first.files ?? 0),
    (last.threads ?? 0) - (first.threads ?? 0),
    last.listeners - first.listeners,
    last.counted + last.threadStreams,
  ]
  const [low, high] = heap.interval
  const tellsRight = reason === 'none' ? sum(cell.told) === 0 : cell.told[reason] === cell.cycles
  const most = GROWTH_BYTES / cell.cycles
  const verdict =
    differences.some((difference) => difference !== 0) || !tellsRight || low > most
      ? 'failed'
      : high > most
        ? 'unclear'
        : 'ok'
  return [
    executor,
    killed === 0 ? reason : `${reason} (${killed} threads)`,
    cell.cycles,
    cell.cycles / seconds,
    heap.slope.toFixed(2),
    `${low.toFixed(2)} to ${high.toFixed(2)}`,
    ...slopes,
    ...differences,
    verdict,
  ]
}

const COLUMNS = [
  'executor',
  'reason',
  'cycles',
  '1/s',
  'heap, B per cycle',
  '95 %',
  'external',
  "threads' heap",
  'handles',
  'files',
  'threads',
  'listeners',
  'streams',
  'verdict',
]

function show(
  titles: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  words: number,
): void {
  const columns = titles.map((title, index) => ({
    title,
    align: index < words || title === 'verdict' ? ('left' as const) : ('right' as const),
  }))
  const cells = rows.map((one) => one.map((cell) => cellText(cell)))
  process.stdout.write(`${table(columns, cells)}\n\n`)
}

const beganAt = performance.now()
const reports = new Map<string, Report>()
const waiting = [...EXECUTORS]
// Two at a time: the server and its clients share a process.
await Promise.all(
  [0, 1].map(async () => {
    for (let executor = waiting.shift(); executor !== undefined; executor = waiting.shift()) {
      reports.set(executor, await report(executor))
      const seconds = Math.round((performance.now() - beganAt) / 1_000)
      process.stderr.write(`${executor} is done after ${seconds} s\n`)
    }
  }),
)

const rows = EXECUTORS.flatMap((executor) => (reports.get(executor) as Report).cells.map(row))
show(COLUMNS, rows, 2)
const lasting = EXECUTORS.flatMap((executor) => {
  const { objectsBefore, objectsAfter } = reports.get(executor) as Report
  return Object.entries(objectsAfter).map(([name, count]) => {
    const grown = count - (objectsBefore[name] ?? 0)
    const most = name === 'Function' ? FEW_FUNCTIONS : name === 'Timeout' ? FEW_TIMERS : 0
    return [executor, name, objectsBefore[name] ?? 0, count, grown <= most ? 'ok' : 'failed']
  })
})
show(['executor', 'objects', 'before', 'after', 'verdict'], lasting, 2)
const failed = [...rows, ...lasting].filter((one) => one.at(-1) === 'failed').length
process.stdout.write(`${failed === 0 ? 'Nothing stays' : `${failed} rows have FAILED`}.\n`)
process.exitCode = failed === 0 ? 0 : 1
