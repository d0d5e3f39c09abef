/**
 * The soak: one server under mixed load for minutes. Run it with `npm run soak` (`-- --help` lists what else it does).
 *
 * Why it counts: the server and the load generator are processes of their own, and both count; clients come at random,
 * in an open loop, whatever becomes of those before; and in the end what the server has counted as sent is held
 * against what its clients have received, to the event.
 *
 * - who comes: `kinds.ts`, `mixed-load.ts`; the processes: `server.ts`, `generator.ts`
 * - what has to hold: `checks.ts`; what is shown: `soak-document.ts`
 */
import { runCommand } from '../../profiler/command/run-command.ts'
import { EXIT as MEASURED, measuringCommand, type Measuring } from '../command/measuring-command.ts'
import { HELP, parseArguments, type Arguments } from './arguments.ts'
import { checks } from './checks.ts'
import { soakDocument } from './soak-document.ts'
import { Soak } from './soak.ts'

const EXIT = { ...MEASURED, failed: 99 } as const

function begin(argv: readonly string[], args: Arguments): Measuring<never> {
  const soak = new Soak(args)
  const { results } = soak
  return {
    results,
    measure: async () => soak.run(),
    document: () => soakDocument(results, argv),
    extras: {},
    hasMeasured: () => results.samples.length > 0,
    exitCode: () => (checks(results).every(({ holds }) => holds) ? EXIT.done : EXIT.failed),
  }
}

await runCommand(async (argv) =>
  measuringCommand<never, Arguments>(argv, {
    help: HELP,
    parse: parseArguments,
    begin: (args) => begin(argv, args),
  }),
)
