import { numberWithin, parsedArguments, SEEDS, type Range } from '../../profiler/command/parsed-arguments.ts'
import { reportFiles } from '../../profiler/command/report-file.ts'
import { UsageError } from '../../profiler/usage-error.ts'

export const HELP: string = `headfirst's soak: one server under mixed load for minutes. Does it lose, leak or slow down?

  npm run soak                       ten minutes
  npm run soak -- --minutes 60       an hour
  npm run soak -- --quick            some seconds: shows that all works and that the counts agree, no more

All executors; short and long streams, compressed and not; clients that read slowly, that do not read, that leave in the
middle or reset the connection, and that come back to a history with the id of their last event; a pool that is too
small; a thread that is killed now and then. In the end every count of the server has to agree with its clients',
nothing may stay open, and the heap must not have grown.

Options
  --minutes N      how long clients come, from 0.1 to 1440. Default 10.
  --quick          for some seconds.
  --seed N         of arrivals and of who leaves when, a whole number from 0. Default 1.
  --html FILE      write the report as one file, with all charts. Needs no network.
  --json FILE      write everything, samples included (schema: profiler/report/schema.json).
                   These two are also written when interrupted.
  --help           this text.

Exit codes
  0 every check holds, 1 crash, 2 usage, 99 a check has failed, 130 interrupted
`

export interface Arguments {
  help: boolean
  minutes: number
  quick: boolean
  seed: number
  /** Absolute paths. */
  html: string | undefined
  json: string | undefined
}

const QUICK_MINUTES = 0.1
const MINUTES: Range = { least: QUICK_MINUTES, most: 1_440, whole: false }

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  minutes: { type: 'string' },
  quick: { type: 'boolean' },
  seed: { type: 'string' },
  html: { type: 'string' },
  json: { type: 'string' },
} as const

/** @throws UsageError */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parsedArguments({ args: [...args], options: OPTIONS })
  if (values.quick === true && values.minutes !== undefined)
    throw new UsageError('--quick and --minutes exclude each other')
  return {
    help: values.help ?? false,
    minutes: values.quick === true ? QUICK_MINUTES : numberWithin('minutes', values.minutes ?? '10', MINUTES),
    quick: values.quick ?? false,
    seed: numberWithin('seed', values.seed ?? '1', SEEDS),
    ...reportFiles({ html: values.html, json: values.json }),
  }
}
