/** What a producer that runs elsewhere sends to the server's thread, in the order in which it happened. */
export const FrameKind = {
  /** Whole events of a stream, in UTF-8. */
  DATA: 1,
  /** A piece of what is too large for one frame; the last piece is DATA or CODED. */
  PART: 2,
  /** The stream's producer starts. */
  START: 3,
  /** The producer has closed its stream, and may run on. */
  CLOSE: 4,
  /** The producer is done. */
  DONE: 5,
  /** The producer has thrown: an encoded error, see error-transport.ts. */
  ERROR: 6,
  /** A line for the server's log, see log.ts. */
  LOG: 7,
  /** Compressed events, in pieces that each have a checksum: see coded-frame.ts. */
  CODED: 8,
  /** The producer has returned, left its stream open, and never asked for its signal. */
  LEFT_OPEN: 9,
} as const
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind]

/** Kinds that carry events, and say how many. */
export type EventsKind = typeof FrameKind.DATA | typeof FrameKind.CODED

/** What comes is not what {@link FrameKind} allows: somebody has overwritten it, or speaks another version. */
export class FramesInvalid extends Error {}
