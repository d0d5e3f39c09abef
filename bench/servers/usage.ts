import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { mainThreadCpuMs } from './thread-cpu.ts'

/** What a server's process has used since its start. */
export interface Usage {
  /** Ms for which the event loop was not waiting: its thread's occupancy. */
  activeMs: number
  /** CPU time of the process, all threads. */
  cpuMs: number
  /** CPU time of the server's own thread alone; undefined where it can't be measured. */
  mainCpuMs: number | undefined
  rssBytes: number
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return {
    activeMs: performance.eventLoopUtilization().active,
    cpuMs: (user + system) / 1_000,
    mainCpuMs: mainThreadCpuMs(),
    rssBytes: process.memoryUsage.rss(),
  }
}

/** What a process holds when its garbage is gone. */
export interface Memory {
  rssBytes: number
  /** Of the main thread's heap. */
  heapBytes: number
}

const COLLECTIONS = 4
/** V8 gives pages back to the system in the background. */
const GIVING_BACK_MS = 50

/** Collects the main thread's garbage first, more than once: what finalizers release is garbage then. */
export async function memory(): Promise<Memory> {
  if (globalThis.gc === undefined) throw new Error('Memory is measured in a process with --expose-gc')
  for (let count = 0; count < COLLECTIONS; count++) {
    globalThis.gc()
    await sleep(GIVING_BACK_MS)
  }
  const { rss, heapUsed } = process.memoryUsage()
  return { rssBytes: rss, heapBytes: heapUsed }
}
