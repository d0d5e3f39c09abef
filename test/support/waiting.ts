/** Far beyond what a busy machine needs to start several threads. */
const PATIENCE_MS = 50_000

/** Resolves when a condition holds; rejects when it never does. As `until()`, for what is a lot of work. */
export async function untilPatiently(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A turn of the event loop. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Turns of the event loop: enough for whatever was about to happen in the next ones to have happened. */
export async function turns(count = 5): Promise<void> {
  for (let n = 0; n < count; n++) await turn()
}
