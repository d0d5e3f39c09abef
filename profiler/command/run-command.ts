/** A command's way from the process's arguments to its exit code. */
import { inspect } from 'node:util'
import { stopAll } from '../load/remote.ts'
import { UsageError } from '../usage-error.ts'

const EXIT = { crash: 1, usage: 2 } as const

/**
 * Runs a command with the process's arguments, and ends its children with it. A mistake in the arguments is shown
 * without a stack, with exit code 2; anything else that fails with its stack, and exit code 1.
 *
 * @param main resolves with the exit code
 * @param help the words that lead to the help; ` to see what there is.` follows them. Default: `Run with --help`
 */
export async function runCommand(
  main: (args: readonly string[]) => Promise<number>,
  help: (args: readonly string[]) => string = () => 'Run with --help',
): Promise<void> {
  const args = process.argv.slice(2)
  try {
    process.exitCode = await main(args)
  } catch (error) {
    const isUsage = error instanceof UsageError
    process.stderr.write(
      isUsage ? `${error.message}\n${help(args)} to see what there is.\n` : `${inspect(error)}\n`,
    )
    process.exitCode = isUsage ? EXIT.usage : EXIT.crash
  } finally {
    stopAll()
  }
}

/** On the first SIGINT or SIGTERM the children end. What was measured by then can still be shown. */
export function onInterrupt(interrupted: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted()
      stopAll()
    })
  }
}
