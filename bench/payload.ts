/** The data of the events of a burst: the same for every library. */

/** Bytes of an event on the wire, before HTTP's own framing, where nothing else is said. */
export const EVENT_BYTES = 58
/** `data: ` and two line ends. */
export const FRAME_BYTES = 8
const FILLER = '.'.repeat(65_536)

export interface BurstPlan {
  events: number
  /** Whether the data is a string, or an object that has to be serialized. */
  data: 'string' | 'object'
  /** Of each event on the wire: 58 to 65,536. */
  eventBytes: number
}

/** What the events of a burst hold: each its number, and a filler that makes all of one length. */
export type Payload = string | { n: number; text: string }

/** @returns makes the data of one event after another, from number 0 on, at next to no cost */
export function payloads({ data, eventBytes }: BurstPlan): (number: number) => Payload {
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
