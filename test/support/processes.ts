import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'

export interface ScriptOptions {
  args?: readonly (string | number)[]
  /** Of Node itself, before the script. */
  nodeArgs?: readonly string[]
  /** For safety only: a process that does not end by itself has failed. In ms. Default 50000. */
  timeout?: number
}

/** Runs a script in a process of its own to its end, and parses the JSON that it has printed. */
export async function runScript<Result>(script: URL | string, options: ScriptOptions = {}): Promise<Result> {
  const { timeout = 50_000 } = options
  const { stdout } = await promisify(execFile)(process.execPath, commandOf(script, options), {
    timeout,
    maxBuffer: 2 ** 28,
  })
  return JSON.parse(stdout) as Result
}

export interface RunningScript {
  readonly child: ChildProcess
  /** Resolves with the next line that it prints. */
  readonly line: () => Promise<string>
}

/** Starts a script in a process of its own, which is killed when the test has finished. */
export function startScript(script: URL, options: ScriptOptions = {}): RunningScript {
  const child = spawn(process.execPath, commandOf(script, options), { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { child, line: async () => (await lines.next()).value as string }
}

const commandOf = (script: URL | string, { args = [], nodeArgs = [] }: ScriptOptions): string[] => [
  ...process.execArgv,
  ...nodeArgs,
  typeof script === 'string' ? script : fileURLToPath(script),
  ...args.map(String),
]
