import { performance } from 'node:perf_hooks'

/** What a generator's event loop did, in ms. */
export interface LoopTime {
  activeMs: number
  idleMs: number
  /** Of the active time, that in which it only looked whether the next arrival was due. */
  polledMs: number
}

/** Keeps account of this process's event loop. */
export class LoopClock {
  readonly #from = performance.eventLoopUtilization()
  #polledMs = 0

  polled(ms: number): void {
    this.#polledMs += ms
  }

  /** Since it was made. */
  time(): LoopTime {
    const { active, idle } = performance.eventLoopUtilization(this.#from)
    return { activeMs: active, idleMs: idle, polledMs: this.#polledMs }
  }
}

/** Share of the time in which the loop worked, from 0 to 1: to poll is to wait. */
export function utilisation({ activeMs, idleMs, polledMs }: LoopTime): number {
  return activeMs + idleMs === 0 ? 0 : Math.max(0, activeMs - polledMs) / (activeMs + idleMs)
}

export function polling({ activeMs, idleMs, polledMs }: LoopTime): number {
  return activeMs + idleMs === 0 ? 0 : polledMs / (activeMs + idleMs)
}

/** What there was of it since a time before. */
export function since(now: LoopTime, before: LoopTime): LoopTime {
  return {
    activeMs: now.activeMs - before.activeMs,
    idleMs: now.idleMs - before.idleMs,
    polledMs: now.polledMs - before.polledMs,
  }
}
