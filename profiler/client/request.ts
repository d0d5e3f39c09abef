import type { Load, Target } from '../plan.ts'

/** The bytes that ask for a stream. */
export function requestOf({ head, body }: Target, connections: Load['connections']): Buffer {
  const connection = connections === 'new' ? 'close' : 'keep-alive'
  return Buffer.concat([Buffer.from(`${head}Connection: ${connection}\r\n\r\n`, 'latin1'), body])
}
