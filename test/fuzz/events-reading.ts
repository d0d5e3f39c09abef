/** What a client makes of bytes: eventsource-parser, which shares no code with the encoder. */
import { createParser } from 'eventsource-parser'
import type { Step } from './events-attempt.ts'

/** Compares each step of the parser with the one that is due. */
class Reading {
  readonly #due: readonly Step[]
  #taken = 0
  readonly #decoder = new TextDecoder()
  readonly #parser = createParser({
    onEvent: ({ data, event, id }) => {
      const due = this.#next('event', data)
      if (due.data !== data || due.event !== event || due.id !== id) fail({ data, event, id }, due)
    },
    onComment: (text) => {
      const due = this.#next('comment', text)
      if (due.text !== text) fail(text, due)
    },
    onRetry: (ms) => {
      const due = this.#next('retry', ms)
      if (due.ms !== ms) fail(ms, due)
    },
    onError: (error) => fail(error.message, this.#due[this.#taken]),
  })

  constructor(due: readonly Step[]) {
    this.#due = due
  }

  feed(bytes: Uint8Array): void {
    this.#parser.feed(this.#decoder.decode(bytes, { stream: true }))
  }

  end(): void {
    this.#parser.feed(this.#decoder.decode())
    if (this.#taken < this.#due.length) fail('the end', this.#due[this.#taken])
  }

  #next<Kind extends Step['kind']>(kind: Kind, came: unknown): Extract<Step, { kind: Kind }> {
    const due = this.#due[this.#taken++]
    if (due?.kind !== kind) fail({ kind, came }, due)
    return due as Extract<Step, { kind: Kind }>
  }
}

function fail(came: unknown, due: Step | undefined): never {
  throw new Error(`expected ${JSON.stringify(due)}, but got ${JSON.stringify(came)}`)
}

/**
 * Decodes bytes that come in pieces.
 *
 * @param cuts where they are cut, in order
 * @throws Error when the steps are not the ones that are due
 */
export function expectSteps(bytes: Uint8Array, due: readonly Step[], ...cuts: number[]): void {
  const reading = new Reading(due)
  let start = 0
  for (const end of [...cuts, bytes.length]) {
    reading.feed(bytes.subarray(start, end))
    start = end
  }
  reading.end()
}
