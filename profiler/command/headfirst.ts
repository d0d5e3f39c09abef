#!/usr/bin/env node
/** The command `headfirst`. This folder has what a terminal needs: flags, help, progress, files and exit codes. */
import { UsageError } from '../usage-error.ts'
import { profile } from './profile.ts'
import { runCommand } from './run-command.ts'

const HELP = `headfirst: tools for Server-Sent Events

  headfirst profile URL     what do the clients of an SSE endpoint see? --help says more

`

async function main([command, ...args]: readonly string[]): Promise<number> {
  if (command === 'profile') return profile(args)
  if (command === '--help' || command === '-h') {
    process.stdout.write(HELP)
    return 0
  }
  throw new UsageError(
    `Expected a command, got ${command === undefined ? 'none' : `"${command}"`}. There is: profile`,
  )
}

await runCommand(main, ([command]) => `Run headfirst ${command === 'profile' ? 'profile ' : ''}--help`)
