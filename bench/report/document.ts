/**
 * The report of a run: its results as a document of blocks, which the terminal, the HTML file and the JSON file show.
 * Each kind of block has a file; what they are made of is in `results.ts`.
 */
import type { Document } from '../../profiler/report/document.ts'
import { charts } from './charts.ts'
import { conclusions } from './conclusions.ts'
import type { Environment } from './environment.ts'
import { figureTable } from './figure-table.ts'
import { invalidRows, type Results } from './results.ts'
import { summary } from './summary.ts'
import { blockTable, encodeTable, handOffTable, heldTable, rateTable } from './tables.ts'

/** Of the shape of the raw results in the JSON file. */
const VERSION = 1

/** @param args of the command line */
export function resultsDocument(results: Results, args: readonly string[]): Document {
  const { environment, blocks, rates, held, encode, handOff, figures, seed, startedAt } = results
  return {
    tool: 'bench',
    title: 'headfirst bench: when do clients see their first byte and their first event?',
    command: ['npm run bench', ...(args.length === 0 ? [] : ['--', ...args.map(quoted)])].join(' '),
    startedAt,
    environment: [...machine(environment), ['seed', String(seed)]],
    blocks: [
      summary(results),
      ...(blocks.length > 0 ? [blockTable(results), ...charts(results)] : []),
      ...(rates.length > 0 ? [rateTable(results)] : []),
      ...(held.rows.length > 0 ? [heldTable(results)] : []),
      ...(encode.length > 0 ? [encodeTable(results)] : []),
      ...(handOff.length > 0 ? [handOffTable(results)] : []),
      ...(figures.length > 0 ? [figureTable(results)] : []),
    ],
    results: {
      version: VERSION,
      ...results,
      conclusions: conclusions(results),
      invalid: invalidRows(results).length,
    },
  }
}

/** What a comparison with another run depends on. */
export function machine(environment: Environment): [name: string, value: string][] {
  const { headfirst, node, cores, cpu, memoryBytes, platform } = environment
  return [
    ['headfirst', headfirst],
    ['Node', node],
    ['CPU', `${cores} × ${cpu}`],
    ['memory', `${Math.round(memoryBytes / 2 ** 30)} GiB`],
    ['system', platform],
  ]
}

/** Quoted for a shell, where it has to be. */
export function quoted(argument: string): string {
  return /^[\w@.,:/=+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`
}
