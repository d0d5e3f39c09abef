import type { SharedEvent } from './shared-event.ts'

/**
 * The way of one stream's bytes to its client. On the server's thread a sink writes the HTTP response, on a worker it
 * writes memory that the server's thread reads. {@link EventStream} depends on this interface only.
 */
export interface Sink {
  /**
   * Takes whole events, and lines between them (comments, a `retry`), as text or as UTF-8 bytes. The sink may keep the
   * bytes.
   *
   * @param events how many events the chunk has. Lines count as none, except a `retry` that a producer sends alone
   * @returns false if more bytes wait than the high-water mark, or if the sink is closed (then nothing was taken)
   */
  write(chunk: string | Uint8Array, events: number): boolean
  /** Takes an event that is one line of data, `data: ${line}\n\n`, like {@link write}, but faster. */
  writeLine?(line: string): boolean
  /** True as soon as nothing more is taken, whatever the reason. */
  readonly closed: boolean
  /** Takes an event that many streams send, as {@link write} takes its text. */
  writeShared?(event: SharedEvent): boolean
  /** Resolves with true if at most the high-water mark waits, with false if the sink is closed. */
  ready(): Promise<boolean>
  /** Waits like {@link ready}, but blocks the thread, at most `timeoutMs` ms. Absent on the server's thread. */
  readySync?(timeoutMs: number): boolean
  /** Ends the stream when everything that was taken is delivered. Call no write after it. */
  end(): void
}
