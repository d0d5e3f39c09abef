import { setTimeout as sleep } from 'node:timers/promises'

const SHOWN_EACH_MS = 500

/** How work that takes long is shown meanwhile. */
export interface Shown<State> {
  /** How it goes now. If that cannot be had, nothing is shown: the reason ends the work itself. */
  readonly state: () => Promise<State>
  readonly show: (state: State) => void
  /** Brings the work to its end, with what there is. */
  readonly end: () => void
}

/**
 * Shows how work goes, twice a second until it is over.
 *
 * If `show` throws, the work is brought to its end, and the error is thrown from here: nothing would catch it in a
 * timer.
 *
 * @returns what the work resolves with
 * @throws what the work rejects with; what `show` has thrown, when the work is over
 */
export async function withProgress<Result, State>(
  work: Promise<Result>,
  shown: Shown<State>,
): Promise<Result> {
  const over = new AbortController()
  const showing = showUntil(over.signal, shown).then(
    () => undefined,
    (error: unknown) => {
      shown.end()
      return { error }
    },
  )
  const result = await work.finally(() => over.abort())
  const failure = await showing
  if (failure !== undefined) throw failure.error
  return result
}

async function showUntil<State>(signal: AbortSignal, { state, show }: Shown<State>): Promise<void> {
  for (;;) {
    await sleep(SHOWN_EACH_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    const now = await state().catch(() => undefined)
    if (signal.aborted) return
    if (now !== undefined) show(now)
  }
}
