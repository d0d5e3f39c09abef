import { readFileSync } from 'node:fs'

// Of Node 24 and later.
const { threadCpuUsage } = process as {
  threadCpuUsage?: () => { user: number; system: number }
}

/** On Linux a process's main thread has the process's number; the first field is its time on a core, in ns. */
const SCHEDSTAT = `/proc/self/task/${process.pid}/schedstat`

/**
 * CPU time of the main thread alone, in ms: without worker threads, and without V8's and libuv's helpers. Call it
 * on the main thread.
 *
 * @returns undefined where neither Node nor the system has it
 */
export function mainThreadCpuMs(): number | undefined {
  if (threadCpuUsage !== undefined) {
    const { user, system } = threadCpuUsage.call(process)
    return (user + system) / 1_000
  }
  if (process.platform !== 'linux') return undefined
  return Number(readFileSync(SCHEDSTAT, 'latin1').split(' ', 1)[0]) / 1e6
}
