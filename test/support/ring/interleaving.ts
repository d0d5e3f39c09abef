/**
 * Two real threads that take turns: before each atomic access to a watched memory the dice decide which of the two
 * goes on. The same seed gives the same interleaving, so that orders which the machine shows once in a million
 * are tried by the thousand, and a waiter whom nobody will ever wake is seen at once, as {@link Stuck}.
 */

/** Words of the table that both threads share. */
const TURN = 0
const DICE = 1
const SWITCHES = 2
const BELL = 3
/** Of each thread: the place that it waits at, or RUNS, OVER, FAILED. */
const PLACES = 4
const WORDS = 6

const RUNS = -1
const OVER = -2
const FAILED = -3
/** The place where one waits for the bell; others are indices of words. */
const AT_BELL = 1_000_000

/** Numbers of the two threads. */
export const READER = 0
export const WRITER = 1

/** Both threads wait, or one waits and the other is over. */
class Stuck extends Error {}

const { load, store, exchange, compareExchange, or, add, wait, notify } = Atomics

function nameOf(place: number): string {
  if (place === RUNS) return 'work'
  if (place === OVER || place === FAILED) return 'its end'
  return place === AT_BELL ? 'the bell' : `word ${place}`
}

export function allocateTurns(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)
}

/** Before a round, by one of the two, while the other does nothing. */
export function resetTurns(memory: SharedArrayBuffer, seed: number, switchesInHundred: number): void {
  const table = new Int32Array(memory)
  table.fill(0)
  table[DICE] = seed | 1
  table[SWITCHES] = switchesInHundred
  table[PLACES + READER] = RUNS
  table[PLACES + WRITER] = RUNS
}

/** One thread's part. */
export class Turns {
  readonly #table: Int32Array<SharedArrayBuffer>
  readonly #me: number
  readonly #other: number

  constructor(memory: SharedArrayBuffer, me: typeof READER | typeof WRITER) {
    this.#table = new Int32Array(memory)
    this.#me = me
    this.#other = 1 - me
  }

  /** Runs `body` with this thread's accesses to `watched` under the dice. */
  play(watched: SharedArrayBuffer, body: () => void): void {
    const mine = (array: ArrayBufferView): boolean => array.buffer === watched
    const gated =
      <Args extends [Int32Array, ...never[]], Result>(access: (...args: Args) => Result) =>
      (...args: Args): Result => {
        if (mine(args[0])) this.#step()
        return access(...args)
      }
    const original = { load, store, exchange, compareExchange, or, add, wait, notify }
    Object.assign(Atomics, {
      load: gated(load as never),
      store: gated(store as never),
      exchange: gated(exchange as never),
      compareExchange: gated(compareExchange as never),
      or: gated(or as never),
      add: gated(add as never),
      wait: (words: Int32Array, index: number, value: number, timeoutMs?: number) => {
        if (!mine(words)) return wait(words, index, value, timeoutMs)
        this.#step()
        if (load(words, index) !== value) return 'not-equal'
        this.#waitAt(index)
        return 'ok'
      },
      notify: (words: Int32Array, index: number, count?: number) => {
        if (!mine(words)) return notify(words, index, count)
        this.#step()
        return this.#wake(index)
      },
    })
    let end = FAILED
    try {
      this.#awaitTurn()
      body()
      end = OVER
    } finally {
      Object.assign(Atomics, original)
      this.#table[PLACES + this.#me] = end
      this.#pass()
      // Two rounds do not overlap: the turn comes back when the other is over as well.
      if ((this.#table[PLACES + this.#other] as number) >= RUNS) this.#awaitTurn()
    }
  }

  /** True when the last round was played to its end by both threads. */
  get bothDone(): boolean {
    return this.#table[PLACES + READER] === OVER && this.#table[PLACES + WRITER] === OVER
  }

  /** A message from one thread to the other. */
  ringBell(): void {
    this.#table[BELL] = 1
    this.#wake(AT_BELL)
  }

  /** @throws Stuck when it will not come */
  awaitBell(): void {
    if (this.#table[BELL] === 0) this.#waitAt(AT_BELL)
    this.#table[BELL] = 0
  }

  #step(): void {
    if (this.#roll() < (this.#table[SWITCHES] as number) && this.#table[PLACES + this.#other] === RUNS) {
      this.#pass()
      this.#awaitTurn()
    }
  }

  #waitAt(place: number): void {
    const table = this.#table
    const where = `at ${nameOf(place)}, with the other at ${nameOf(table[PLACES + this.#other] as number)}`
    if (table[PLACES + this.#other] !== RUNS) throw new Stuck(where)
    table[PLACES + this.#me] = place
    this.#pass()
    this.#awaitTurn()
    // Then it is over, or waits itself, and will wake nobody.
    if (table[PLACES + this.#me] !== RUNS) throw new Stuck(where)
  }

  #wake(place: number): number {
    if (this.#table[PLACES + this.#other] !== place) return 0
    this.#table[PLACES + this.#other] = RUNS
    return 1
  }

  #pass(): void {
    store(this.#table, TURN, this.#other)
    notify(this.#table, TURN)
  }

  #awaitTurn(): void {
    while (load(this.#table, TURN) !== this.#me) wait(this.#table, TURN, this.#other)
  }

  /** From 0 to 99: xorshift, in shared memory, so that one sequence serves both threads. */
  #roll(): number {
    let dice = this.#table[DICE] as number
    dice ^= dice << 13
    dice ^= dice >>> 17
    dice ^= dice << 5
    this.#table[DICE] = dice
    return (dice >>> 8) % 100
  }
}
