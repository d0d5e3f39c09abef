import { StringDecoder } from 'node:string_decoder'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { EventBody } from './event-body.ts'

/** Reads what is in the events, which costs several times what counting them does. */
export class ParsedEvents implements EventBody {
  events = 0
  bytes = 0
  readonly #decoder = new StringDecoder('utf8')
  readonly #parser: { feed(text: string): void }

  constructor(onEvent: (event: EventSourceMessage) => void) {
    this.#parser = createParser({
      onEvent: (event) => {
        this.events++
        onEvent(event)
      },
    })
  }

  scan(chunk: Buffer, from: number, to: number): void {
    this.bytes += to - from
    this.#parser.feed(this.#decoder.write(chunk.subarray(from, to)))
  }
}
