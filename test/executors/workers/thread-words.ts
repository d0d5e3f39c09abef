import type { PlayedThread, PlayedStream } from './played-thread.ts'
import { turn } from '../../support/waiting.ts'

/** Of the ring's memory, as ring.ts describes it: word indices, and states of `READER`. */
export const TAIL = 16
export const READER = 32
export const ASLEEP = 1
export const RESTING = 2

export const wordOf = ({ memory }: PlayedThread, word: number): number =>
  Atomics.load(new Int32Array(memory), word)

/** Sends so often that the reader rests. */
export async function untilItRests(played: PlayedThread, stream: PlayedStream): Promise<void> {
  for (let round = 0; wordOf(played, READER) !== RESTING; round++) {
    if (round > 1_000) throw new Error('it never rests')
    const { received } = stream.running
    played.send(stream, '1')
    while (stream.running.received === received) await turn()
  }
}
