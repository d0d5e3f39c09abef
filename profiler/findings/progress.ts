/** How far a profile has come: what `onProgress` is called with. */
export type ProfileProgress =
  /** The streams of `hold` are being opened. Once before the first of them, then twice a second until all are. */
  | {
      readonly phase: 'hold'
      /** How many are to be open. */
      readonly streams: number
      /** Streams that are open now. */
      readonly open: number
      /** Streams that could not be opened, or are over. */
      readonly lost: number
    }
  /** Twice a second, from the first stream on. */
  | {
      readonly phase: 'measure'
      /** Streams begun per second; undefined in a closed loop. */
      readonly rate: number | undefined
      /** Processes that make the load. */
      readonly generators: number
      /** Streams that are open now, those of the warm-up included. */
      readonly open: number
      /** Streams that were good, so far. */
      readonly good: number
      /** Streams that have failed, so far. */
      readonly failed: number
      /** Events received, so far. */
      readonly events: number
    }
  /** One generator had too much to do in the warm-up: what was measured is dropped, and the run begins anew. */
  | {
      readonly phase: 'anew'
      /** Processes that make the load from now on. */
      readonly generators: number
    }
