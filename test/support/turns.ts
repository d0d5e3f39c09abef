/** A turn of the event loop. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Turns of the event loop: enough for whatever was about to happen in the next ones to have happened. */
export async function turns(): Promise<void> {
  for (let n = 0; n < 5; n++) await turn()
}
