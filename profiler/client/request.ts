import type { Plan } from '../plan.ts'

/** The bytes that ask for a stream. */
export function requestOf({ target, load }: Plan): Buffer {
  const connection = load.connections === 'new' ? 'close' : 'keep-alive'
  const head = Buffer.from(`${target.head}Connection: ${connection}\r\n\r\n`, 'latin1')
  return Buffer.concat([head, target.body])
}
