/**
 * Compressed events on their way through the ring. The server's thread may have to end the body without the worker
 * (which may be dead by then), so that each frame carries what the end needs: CRC-32 and length of all that the body
 * decodes to so far, as two little-endian words before the compressed blocks.
 */
import type { Checksum } from '../../sse/compression.ts'

const CRC = 0
const SIZE = 4
const BLOCKS = 8

export function packCoded(blocks: Uint8Array, { crc, size }: Readonly<Checksum>): Buffer {
  const frame = Buffer.allocUnsafe(BLOCKS + blocks.length)
  frame.writeUInt32LE(crc, CRC)
  frame.writeUInt32LE(size, SIZE)
  frame.set(blocks, BLOCKS)
  return frame
}

/** @throws RangeError for what is no such frame */
export function unpackCoded(frame: Buffer): { blocks: Uint8Array; checksum: Checksum } {
  const checksum = { crc: frame.readUInt32LE(CRC), size: frame.readUInt32LE(SIZE) }
  return { blocks: frame.subarray(BLOCKS), checksum }
}
