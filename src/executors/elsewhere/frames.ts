/** Kinds of frames: what the producer's side sends to the server's thread, in the order in which it happened. */
export const FrameKind = {
  /** Whole events of a stream, in UTF-8. */
  DATA: 1,
  /** A part of an event that is too large for one frame. Its last part is DATA or CODED. */
  PART: 2,
  /** The stream's producer starts. */
  START: 3,
  /** The producer has closed its stream. It may still run. */
  CLOSE: 4,
  /** The producer has finished. */
  DONE: 5,
  /** The producer has thrown, or its module did not load. The payload is an encoded error, see error-transport.ts. */
  ERROR: 6,
  /** A line for the server's log, see log.ts. */
  LOG: 7,
  /** Compressed events, in pieces with a checksum each, see coded-frame.ts. */
  CODED: 8,
  /** The producer has returned nothing, its stream is open, and it has never read `stream.signal`. */
  LEFT_OPEN: 9,
} as const
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind]

/** Kinds that carry events, and their number. */
export type EventsKind = typeof FrameKind.DATA | typeof FrameKind.CODED

/** A frame is not one that {@link FrameKind} allows: it was overwritten, or the far end has another version. */
export class FramesInvalid extends Error {}
