import type { ResponseSink } from '../../src/sse/response-sink.ts'

/** One event of 64 KiB that says its number. */
export const large = (number: number): string => `id: ${number}\ndata: ${'é'.repeat(32_768)}\n\n`

/** One event of 1 KiB. */
export const small = (number: number): string => `data: ${String(number).padEnd(1_016)}\n\n`

/** No `Buffer`: that would turn into its text by itself. */
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Writes to a client that does not read until the kernel takes no more. */
export function fill(sink: ResponseSink): { count: number; text: string } {
  let text = ''
  for (let count = 0; ; count++) {
    const event = large(count)
    text += event
    if (!sink.write(event, 1)) return { count: count + 1, text }
  }
}
