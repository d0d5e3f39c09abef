/** Producers that are no portable ones: only the server's thread can run them. */
import type { EventStream } from '../../../src/index.ts'

export const one = async (stream: EventStream): Promise<void> => {
  stream.send('one')
}

/** Leaves its stream open. */
export const open = (stream: EventStream): void => {
  stream.send('open')
}
