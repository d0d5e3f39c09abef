/**
 * Words of shared memory in which client, producer and test see what has happened, whichever of their threads is
 * blocked meanwhile. So a test can make a producer block until the client has an event, and needs no clock to prove
 * that it came.
 */
export const Flag = {
  /** Set by the client: the status line and headers have arrived. */
  HEAD: 0,
  /** Counted by the client: events that have arrived. */
  EVENTS: 1,
  /** Set by the client: the response is over. */
  OVER: 2,
  /** Set by a producer: it has started. */
  STARTED: 3,
  /** Counted by a producer: what the test is about has happened. */
  SEEN: 4,
  /** Set by a producer: its `finally` has run. */
  FINALLY: 5,
  /** Set by the test: a waiting producer may go on. */
  GO: 6,
  /** Set by the client: its request has been handed to the kernel. */
  SENT: 7,
} as const

type FlagName = (typeof Flag)[keyof typeof Flag]

/** Far beyond what any healthy machine needs: a test that waits this long has failed. */
const PATIENCE_MS = 10_000

export type Flags = Int32Array<SharedArrayBuffer>

export function makeFlags(): Flags {
  return new Int32Array(new SharedArrayBuffer(Object.keys(Flag).length * Int32Array.BYTES_PER_ELEMENT))
}

/** Adds one, and wakes the threads that wait. */
export function raise(flags: Flags, flag: FlagName): void {
  Atomics.add(flags, flag, 1)
  Atomics.notify(flags, flag)
}

/** Blocks this thread until a flag has a value of at least `least`. False when it has not in time. */
export function blockUntil(
  flags: Flags,
  flag: FlagName,
  least: number = 1,
  patienceMs: number = PATIENCE_MS,
): boolean {
  for (;;) {
    const value = Atomics.load(flags, flag)
    if (value >= least) return true
    if (Atomics.wait(flags, flag, value, patienceMs) === 'timed-out') return false
  }
}

/** Resolves when a flag has a value of at least `least`; rejects when it does not in time. */
export async function untilRaised(flags: Flags, flag: FlagName, least: number = 1): Promise<void> {
  await until(() => Atomics.load(flags, flag) >= least, `flag ${flag} to be ${least}`)
}

/** Resolves when a condition holds; rejects when it does not in time. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
