/** Messages over an ordered link of bytes: the length of each, then its structured clone. */
import type { Socket } from 'node:net'
import { deserialize, serialize } from 'node:v8'

const LENGTH_BYTES = 4

export function encodeMessage(message: unknown): Buffer {
  const body = serialize(message)
  const bytes = Buffer.alloc(LENGTH_BYTES + body.length)
  bytes.writeUInt32LE(body.length)
  bytes.set(body, LENGTH_BYTES)
  return bytes
}

/** Calls back for each whole message. What is left at the end of the link, a part of a message, is dropped. */
export function onMessages(socket: Socket, take: (message: unknown) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + rest.readUInt32LE()
      if (rest.length < end) return
      const body = rest.subarray(LENGTH_BYTES, end)
      rest = rest.subarray(end)
      take(deserialize(body))
    }
  })
}
