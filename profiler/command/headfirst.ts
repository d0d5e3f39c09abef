#!/usr/bin/env node
/** The command `headfirst`. */
import { inspect } from 'node:util'
import { profile } from './profile.ts'
import { UsageError } from '../usage-error.ts'
import { stopAll } from '../load/remote.ts'

const HELP = `headfirst: tools for Server-Sent Events

  headfirst profile URL     what do the clients of an SSE endpoint see? --help says more

`

const EXIT = { crash: 1, usage: 2 } as const

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

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof UsageError) {
    const command = process.argv[2] === 'profile' ? 'headfirst profile' : 'headfirst'
    process.stderr.write(`${error.message}\nRun ${command} --help to see what there is.\n`)
    process.exitCode = EXIT.usage
  } else {
    process.stderr.write(`${inspect(error)}\n`)
    process.exitCode = EXIT.crash
  }
} finally {
  stopAll()
}
