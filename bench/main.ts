/**
 * The bench: how soon does a client see its first byte and its first event, on each executor, while producers
 * compute? Run it with `npm run bench` (`-- --help` lists what else it does).
 *
 * Why its numbers can be trusted: the server, started afresh for each row, and the load generator are processes
 * of their own; clients arrive on a schedule made beforehand, and every time counts from the intended
 * start; a row whose generator was late or busy is INVALID; only complete streams count, and what was received
 * must equal what the server has counted as sent; queueing theory has to agree where it applies; and all that is
 * claimed is a ratio within one run. More is in each room's first file:
 *
 * - what is asked for: `command/`; what is measured, as data: `scenarios/scenarios.ts`
 * - the processes: `servers/server.ts`, `load/load.ts`, `micro/micro-benchmarks.ts`; what runs them:
 *   `testbed/testbed.ts`
 * - one row, and whether it counts: `rows/gate.ts`; a ratio against a goal: `figures/figures.ts`; its arithmetic:
 *   `statistics/`
 * - what is shown: `report/results.ts`, `report/document.ts`
 */
import { runCommand } from '../profiler/command/run-command.ts'
import { parseArguments, type Arguments } from './command/arguments.ts'
import { HELP } from './command/help.ts'
import { EXIT as MEASURED, measuringCommand, type Measuring } from './command/measuring-command.ts'
import { Run } from './command/run.ts'
import { resultsDocument } from './report/document.ts'
import { pictureOf } from './report/picture.ts'
import { failedStreams, invalidRows, type Results } from './report/results.ts'

const EXIT = { ...MEASURED, crash: 1, invalid: 3 } as const

function begin(argv: readonly string[], args: Arguments): Measuring<'picture'> {
  const run = new Run(args)
  const { results } = run
  return {
    results,
    measure: async () => run.measure(),
    document: () => resultsDocument(results, argv),
    extras: { picture: () => pictureOf(results) },
    // A document always has its summary.
    hasMeasured: ({ blocks }) => blocks.length > 1,
    exitCode: () => exitCodeOf(results),
  }
}

function exitCodeOf(results: Results): number {
  // In a full run failed streams are a result; a quick one is there to find that something does not work.
  if (results.quick && failedStreams(results) > 0) return EXIT.crash
  return invalidRows(results).length > 0 ? EXIT.invalid : EXIT.done
}

await runCommand(async (argv) =>
  measuringCommand<'picture', Arguments>(argv, {
    help: HELP,
    parse: parseArguments,
    begin: (args) => begin(argv, args),
  }),
)
