/**
 * Producers that overwrite the memory which their thread shares with the server. Nothing that a producer is given
 * leads there: this is what broken native code may do. They find the ring by watching who stores in it.
 */
import { threadId } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { FrameKind } from '../../src/executors/elsewhere/frames.ts'
import { Flag, raise, until, type Flags } from '../../src/testing/flags.ts'
import { FULL, HEAD, KIND, PAYLOAD, READER, STREAM, TAIL } from '../support/ring/memory.ts'

/** What is overwritten: `frame` is where the newest frame begins, and `head` what is about to be stored as HEAD. */
interface Written {
  words: Int32Array
  frame: number
  head: number
}

/** Overwrites, and answers what HEAD is to be. */
type Recipe = (written: Written) => number

const word =
  (offset: number, value: number | ((before: number) => number)): Recipe =>
  ({ words, frame, head }) => {
    const before = words[frame + offset] as number
    words[frame + offset] = typeof value === 'number' ? value : value(before)
    return head
  }

/** Puts another payload, of another kind, in the place of the event. */
const forged =
  (kind: FrameKind, text: string): Recipe =>
  ({ words, frame, head }) => {
    const length = Buffer.byteLength(text)
    const before = (words[frame] as number) & 0xfffff
    words[frame] = length
    words[frame + KIND] = kind
    Buffer.from(words.buffer, words.byteOffset + (frame + PAYLOAD) * 4).write(text)
    return (head + ((length + 3) & ~3) - ((before + 3) & ~3)) | 0
  }

const RING_WORDS = 2 ** 18

/** What a reader finds out, by the part of the ring that is overwritten. */
export const RECIPES: Readonly<Record<string, Readonly<Record<string, Recipe>>>> = {
  'the control words': {
    'HEAD beyond the ring': ({ head }) => head + RING_WORDS * 4 + 4,
    'HEAD far behind': ({ head }) => head - RING_WORDS,
    'HEAD within a word': ({ head }) => head + 1,
    'HEAD a ring ahead': ({ head }) => head + RING_WORDS * 4 - 64,
    'HEAD a frame ahead': ({ head }) => head + 64,
    'TAIL somewhere': ({ words, head }) => {
      words[TAIL] = 4_000_000
      return head
    },
    'all of them': ({ words }) => {
      for (const each of [HEAD, TAIL, READER, FULL]) words[each] = 0x5555_5555
      return 0x5555_5555
    },
  },
  'the words of a frame': {
    'a negative length': word(0, -77),
    'the largest length': word(0, 2 ** 20 - 1),
    'a length that is too short': word(0, (state) => state - 8),
    'the kind 0': word(KIND, 0),
    'an unknown kind': word(KIND, 99),
    'a negative kind': word(KIND, -1),
    'a kind that the body is not of': word(KIND, FrameKind.CODED),
  },
  'what a frame holds': {
    'an event as an error': word(KIND, FrameKind.ERROR),
    'an event as a line for the log': word(KIND, FrameKind.LOG),
    'no error': forged(FrameKind.ERROR, 'null'),
    'an error without its class': forged(
      FrameKind.ERROR,
      '{"error":{"name":"E","message":"m","fields":{"__proto__":{"polluted":true}}}}',
    ),
    'no line': forged(FrameKind.LOG, '{"level":"info","fields":null}'),
    'a line that calls another method of the logger': forged(FrameKind.LOG, '{"level":"flush","fields":{}}'),
    'all frames': ({ words, head }) => {
      words.fill(0x7fff_fff0, 64)
      return head
    },
    'all memory': ({ words }) => {
      words.fill(-3)
      return -3
    },
  },
}

const ALL_RECIPES: Readonly<Record<string, Recipe>> = Object.assign({}, ...Object.values(RECIPES))

/** Calls `scribble` while `write` writes its frame: after the frame, and before HEAD. */
function during(write: () => void, scribble: Recipe): void {
  const { store } = Atomics
  let frame = 0
  const spy = (words: Int32Array, index: number, value: number): number => {
    if (words.length < RING_WORDS) return store(words, index, value)
    if (index !== HEAD) {
      frame = index
      return store(words, index, value)
    }
    return store(words, index, scribble({ words, frame, head: value }))
  }
  Object.assign(Atomics, { store: spy })
  try {
    write()
  } finally {
    Object.assign(Atomics, { store })
  }
}

function blockForEver(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

interface Ticking {
  tag: string
  flags: Flags
}

/** Sends its thread and then numbers, in each turn of its thread's loop, until it may end. */
export const ticking: PortableProducer<Ticking> = producer(
  import.meta.url,
  async (stream: EventStream, { tag, flags }: Ticking) => {
    stream.send(`${tag} on ${threadId}`)
    raise(flags, Flag.STARTED)
    for (let n = 0; Atomics.load(flags, Flag.GO) === 0 && !stream.closed; n++) {
      stream.send(`${tag} ${n}`)
      await stream.ready()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    stream.send(`${tag} done`)
  },
  { name: 'ticking' },
)

/** Sends its thread. Resolves when the test lets it go on. */
async function begun(stream: EventStream, { tag, flags }: Ticking): Promise<void> {
  stream.send(`${tag} on ${threadId}`)
  raise(flags, Flag.STARTED)
  await until(() => Atomics.load(flags, Flag.GO) > 0, 'the test')
}

interface Scribbling extends Ticking {
  recipe: string
}

/** Sends, overwrites when it is told to, and keeps its thread from mending anything. */
export const scribbling: PortableProducer<Scribbling> = producer(
  import.meta.url,
  async (stream: EventStream, { tag, flags, recipe }: Scribbling) => {
    await begun(stream, { tag, flags })
    during(() => stream.send('overwritten'), ALL_RECIPES[recipe] as Recipe)
    blockForEver()
  },
  { name: 'scribbling' },
)

/** Sends events under the numbers of other streams, and then ends. */
export const impersonating: PortableProducer<Ticking & { most: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { tag, flags, most }: Ticking & { most: number }) => {
    await begun(stream, { tag, flags })
    for (let number = 0; number < most; number++) {
      during(() => stream.send(`forged ${number}`), word(STREAM, number))
      // A frame of its own for each.
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    // Its end goes elsewhere too.
    for (const kind of [FrameKind.DONE, FrameKind.ERROR, FrameKind.CLOSE]) {
      for (let number = most; number < most + 10; number++) {
        during(
          () => stream.send('{"value":"forged"}'),
          (written) => {
            word(STREAM, number)(written)
            return word(KIND, kind)(written)
          },
        )
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
  },
  { name: 'impersonating' },
)

/** Its last frame, DONE, never comes. */
export const neverDone: PortableProducer<Ticking> = producer(
  import.meta.url,
  async (stream: EventStream, { tag, flags }: Ticking) => {
    await begun(stream, { tag, flags })
    const { store } = Atomics
    const spy = (words: Int32Array, index: number, value: number): number => {
      if (words.length >= RING_WORDS && index !== HEAD) {
        words[index + STREAM] = 123_456
        Object.assign(Atomics, { store })
      }
      return store(words, index, value)
    }
    stream.send(`${tag} 0`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    Object.assign(Atomics, { store: spy })
  },
  { name: 'neverDone' },
)

/** Its last event is said to be a piece of one that goes on. */
export const cutShort: PortableProducer<Ticking> = producer(
  import.meta.url,
  async (stream: EventStream, { tag, flags }: Ticking) => {
    await begun(stream, { tag, flags })
    during(() => stream.send(`${tag} 0`), word(KIND, FrameKind.PART))
  },
  { name: 'cutShort' },
)

/** Its last event is said to be longer than it is, so that its end seems to be part of it. */
export const swallowing: PortableProducer<Ticking> = producer(
  import.meta.url,
  async (stream: EventStream, { tag, flags }: Ticking) => {
    await begun(stream, { tag, flags })
    during(
      () => stream.send(`${tag} 0`),
      word(0, (state) => state + 400),
    )
  },
  { name: 'swallowing' },
)

/** Its body is compressed, and its last event is said not to be. */
export const miscoded: PortableProducer<Ticking> = producer(
  import.meta.url,
  async (stream: EventStream, { tag, flags }: Ticking) => {
    stream.send(`${tag} 0`)
    await until(() => Atomics.load(flags, Flag.GO) > 0, 'the test')
    during(() => stream.send(`${tag} 1`), word(KIND, FrameKind.DATA))
    await new Promise(() => {})
  },
  { name: 'miscoded' },
)

/** The reader sleeps, and is said to be awake: no doorbell is rung. */
export const silent: PortableProducer<Ticking> = producer(
  import.meta.url,
  async (stream: EventStream, { tag, flags }: Ticking) => {
    await begun(stream, { tag, flags })
    during(
      () => stream.send(`${tag} 0`),
      ({ words, head }) => {
        words[READER] = 0
        return head
      },
    )
    await new Promise(() => {})
  },
  { name: 'silent' },
)

/** Logs fields that a logger has serializers for, and that these do not take. */
export const logging: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('0')
    stream.log.error({ req: null }, 'said with req')
    stream.log.error({ res: null })
    stream.send('1')
  },
  { name: 'logging' },
)
