/** The data of the events of a burst: the same for every library. */
import { randomFrom } from '../../profiler/load/schedule.ts'

/** Bytes of an event on the wire, before HTTP's own framing, where nothing else is given. */
export const EVENT_BYTES = 58
/** `data: ` and two line ends. */
export const FRAME_BYTES = 8
const FILLER = '.'.repeat(65_536)

export interface BurstPlan {
  events: number
  /** Whether the data is a string, an object that has to be serialized, or a string of markup that varies. */
  data: 'string' | 'object' | 'html'
  /** Of each event on the wire: 58 to 65,536. */
  eventBytes: number
}

/** What the events of a burst hold: each its number, and a filler that makes all of one length. */
export type Payload = string | { n: number; text: string }

/**
 * Markup of words and classes that repeat as those of pages do, longer than any compressor here looks back: else an
 * event would be found whole in the one before.
 */
function markup(): string {
  const random = randomFrom(1)
  const words = Array.from({ length: 400 }, () => Math.floor(random() * 36 ** 6).toString(36))
  const any = (): string => words[Math.floor(random() * words.length)] as string
  let text = ''
  while (text.length < MARKUP_BYTES) {
    text += `<li id="row-${Math.floor(random() * 1e6)}" class="item ${any()}"><a href="/items/${any()}">${any()} ${any()} ${any()}</a><span class="price">${(random() * 1_000).toFixed(2)}</span></li>`
  }
  return text
}
const MARKUP_BYTES = 262_144
/** So far apart do two events begin in the markup. */
const STRIDE = 1_999

/** @returns makes the data of one event after another, from number 0 on, at next to no cost */
export function payloads({ data, eventBytes }: BurstPlan): (number: number) => Payload {
  if (data === 'html') {
    const text = markup()
    return (number) => {
      const length = eventBytes - FRAME_BYTES - 1 - String(number).length
      const from = (number * STRIDE) % (MARKUP_BYTES - length)
      return `${number} ${text.slice(from, from + length)}`
    }
  }
  const room = eventBytes - FRAME_BYTES - (data === 'object' ? '{"n":,"text":""}'.length : ' '.length)
  // Numbers get longer and fillers shorter, and to make a filler for each would cost something.
  let filler = ''
  let longer = 0
  return (number) => {
    if (number === longer) {
      filler = FILLER.slice(0, room - String(number).length)
      longer = longer === 0 ? 10 : longer * 10
    }
    return data === 'object' ? { n: number, text: filler } : `${number} ${filler}`
  }
}
