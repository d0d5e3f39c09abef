/** What a client of HTTP/2 opens its connection with (RFC 9113, 3.4). */
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** Types of frames (RFC 9113, 6). */
export const HEADERS = 1
export const SETTINGS = 4
export const WINDOW_UPDATE = 8

/** Flags of HEADERS: the request has no body, and no more fields. */
export const END_STREAM_AND_HEADERS = 5

/** A frame (RFC 9113, 4.1). */
export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}
