/** A ring's memory as src/executors/workers/ring.ts describes it, in words. */
export const HEAD = 0
export const TAIL = 16
export const READER = 32
export const FULL = 48
/** Where frames begin: STATE, STREAM, KIND, and the payload. */
export const DATA_WORD = 64
export const STREAM = 1
export const KIND = 2
export const PAYLOAD = 3
