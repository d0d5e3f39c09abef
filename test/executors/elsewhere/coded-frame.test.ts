import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { packPiece, unpackPieces } from '../../../src/executors/elsewhere/coded-frame.ts'
import { RingReader, RingWriter, allocateRing } from '../../../src/executors/workers/ring.ts'

const piece = (number: number): Buffer => packPiece(Buffer.from([number]), { crc: 0, size: number })

const word = fc.nat(2 ** 32 - 1)
const pieces = fc.array(fc.record({ blocks: fc.uint8Array({ maxLength: 50 }), crc: word, size: word }), {
  minLength: 1,
  maxLength: 20,
})

test('a frame gives the blocks of all its pieces, and the checksum of the last', () => {
  fc.assert(
    fc.property(pieces, (all) => {
      const frame = Buffer.concat(all.map(({ blocks, ...checksum }) => packPiece(blocks, checksum)))
      const { blocks, checksum } = unpackPieces(frame)
      expect(Buffer.from(blocks)).toEqual(Buffer.concat(all.map(({ blocks: some }) => some)))
      const { crc, size } = all.at(-1) as { crc: number; size: number }
      expect(checksum).toEqual({ crc, size })
    }),
  )
})

test('a frame that was cut, or whose lengths were overwritten, is refused', () => {
  fc.assert(
    fc.property(pieces, fc.nat(), word, (all, place, length) => {
      const frame = Buffer.concat(all.map(({ blocks, ...checksum }) => packPiece(blocks, checksum)))
      // Less than the smallest piece: between two pieces a frame may end.
      const cut = frame.subarray(0, frame.length - 1 - (place % (piece(0).length - 2)))
      expect(() => unpackPieces(cut)).toThrow(RangeError)
      const wrong = Math.max(length, frame.length)
      frame.writeUInt32LE(wrong, 0)
      expect(() => unpackPieces(frame)).toThrow(
        new RangeError(`a piece of ${wrong} bytes in a frame of ${frame.length}`),
      )
    }),
  )
})

test('pieces of a stream join while nobody reads, but with nothing else', () => {
  const memory = allocateRing(65_536)
  const writer = new RingWriter(memory, () => {})
  writer.writeCoded(1, piece(1), 1)
  writer.writeCoded(1, piece(2), 2)
  writer.writeText(1, 'data: plain\n\n', 13, 1)
  writer.writeCoded(1, piece(3), 3)
  writer.writeCoded(2, piece(4), 4)
  writer.writeCoded(2, piece(5), 5)
  const got: [stream: number, events: number, what: number[] | string][] = []
  new RingReader(memory).drain(Infinity, {
    data(stream, bytes, events, coded) {
      got.push([stream, events, coded ? [...unpackPieces(bytes).blocks] : bytes.toString()])
    },
    control: () => expect.unreachable('a frame of control'),
  })
  expect(got).toEqual([
    [1, 3, [1, 2]],
    [1, 1, 'data: plain\n\n'],
    [1, 3, [3]],
    [2, 9, [4, 5]],
  ])
})
