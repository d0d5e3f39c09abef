/**
 * Compressed events on their way to the server's thread. If the thread that compresses has died, the server's thread
 * ends the body without it. So each piece carries what the end of the body needs: CRC-32 and length of everything that
 * the body decodes to so far.
 *
 * A piece is three little-endian words (bytes of its blocks, CRC-32, length), then its blocks. A frame holds one or
 * more pieces: the writer only appends to a frame, and the reader may take the frame at any moment.
 */
import type { Checksum } from '../../sse/compression.ts'

const LENGTH = 0
const CRC = 4
const SIZE = 8
const BLOCKS = 12

export function packPiece(blocks: Uint8Array, { crc, size }: Readonly<Checksum>): Buffer {
  const piece = Buffer.allocUnsafe(BLOCKS + blocks.length)
  piece.writeUInt32LE(blocks.length, LENGTH)
  piece.writeUInt32LE(crc, CRC)
  piece.writeUInt32LE(size, SIZE)
  piece.set(blocks, BLOCKS)
  return piece
}

/**
 * Separates the pieces of a frame, within its memory.
 *
 * @returns the blocks of all its pieces, and the checksum of the last piece
 * @throws RangeError if the bytes are not such a frame
 */
export function unpackPieces(frame: Buffer): { blocks: Uint8Array; checksum: Checksum } {
  let checksum: Checksum
  let end = 0
  let at = 0
  do {
    const length = frame.readUInt32LE(at + LENGTH)
    checksum = { crc: frame.readUInt32LE(at + CRC), size: frame.readUInt32LE(at + SIZE) }
    const from = at + BLOCKS
    at = from + length
    if (at > frame.length) throw new RangeError(`a piece of ${length} bytes in a frame of ${frame.length}`)
    frame.copyWithin(end, from, at)
    end += length
  } while (at < frame.length)
  return { blocks: frame.subarray(0, end), checksum }
}
