/**
 * A sink takes the bytes of one event stream to where they are wanted: on the server's thread into the HTTP
 * response, on a worker into memory that the server's thread reads. {@link EventStream} writes to one and
 * knows nothing of which.
 */
export interface Sink {
  /**
   * Takes whole events, and lines between them (comments, a `retry`): text, or UTF-8 bytes that the sink may keep.
   *
   * @param events how many events are in it; lines are none, but for a `retry` that a producer sends alone
   * @returns false when the sink is over its high-water mark, or closed (then nothing was taken)
   */
  write(chunk: string | Uint8Array, events: number): boolean
  /** Takes an event that is one line of data, `data: ${line}\n\n`, as {@link write} would, and faster. */
  writeLine?(line: string): boolean
  /** True once nothing more is taken, for whatever reason. */
  readonly closed: boolean
  /** Resolves with true when the sink is below its high-water mark, with false when it has closed. */
  ready(): Promise<boolean>
  /** Waits in place as {@link ready} does, at most `timeoutMs`. Only where that harms nobody else. */
  readySync?(timeoutMs: number): boolean
  /** No more will be written: what was taken is delivered, then the stream ends. */
  end(): void
}
