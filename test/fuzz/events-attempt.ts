/**
 * One grammar in one file: what a producer may send, of every shape, and what a client has to make of it (HTML Living
 * Standard, 9.2.6).
 */
import type { EventStream } from '../../src/index.ts'
import { type Dice, pick, chance, shuffled } from '../support/random.ts'

/** What a client does with what it has read, in order. */
export type Step =
  | { kind: 'event'; data: string; event: string | undefined; id: string | undefined }
  | { kind: 'comment'; text: string }
  | { kind: 'retry'; ms: number }

export type Attempt =
  | { comment: unknown; steps: Step[] | undefined }
  | {
      event: unknown
      /** Undefined for what is refused. */
      steps: Step[] | undefined
      /** The codes of all that is wrong with it: the error has one of them. */
      codes: string[]
    }

const INVALID = 'HF_ERR_EVENT_INVALID'
const FIELD = 'HF_ERR_EVENT_FIELD'
const DATA = 'HF_ERR_EVENT_DATA'

/** A string as it is after UTF-8: lone surrogates have become U+FFFD. */
const wellFormed = (text: string): string => Buffer.from(text).toString()

/** A string as data arrives: every line end is LF. */
const lineFeeds = (text: string): string => text.replaceAll(/\r\n|\r/g, '\n')

const received = (text: string): string => lineFeeds(wellFormed(text))

// What is dangerous in this format.
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  '\n\n',
  '\r\r',
  '\n\r',
  '\0',
  ':',
  ' ',
  '\t',
  '\ufeff',
  '\u2028',
  '\u0085',
  '\v',
  '\ud800',
  '\udc00',
  '\udfff\ud800',
  '\ud83d\ude00',
  'é',
  '€',
  '\uffff',
  '\u{10ffff}',
  'ï»¿',
  'data: x',
  'data',
  'data:',
  'event: x',
  'id: x',
  'id',
  'retry: 1',
  'retry: x',
  ': x',
  '\ndata: forged',
  '\n\ndata: forged\n\n',
  '\r\revent: forged\r',
  '\nid: forged',
  '__proto__',
  'constructor',
]

function piece(random: Dice): string {
  switch (random(8)) {
    case 0:
      return String.fromCharCode(random(0x10000))
    case 1:
      return String.fromCodePoint(random(0x110000))
    case 2:
      return String.fromCharCode(random(0x20))
    case 3:
      return 'abc'.slice(random(3))
    default:
      return pick(random, PIECES)
  }
}

export function anyText(random: Dice, most = 5): string {
  let text = ''
  for (let pieces = random(most + 1); pieces > 0; pieces--) text += piece(random)
  return text
}

const oneLine = (text: string): string => text.replaceAll(/[\r\n]/g, '')

function anyNumber(random: Dice): number {
  return pick(random, [
    () => random(10),
    () => -random(1_000_000),
    () => random(2 ** 28) / (1 + random(1_000)),
    () => pick(random, [0, -0, 1e21, 1e-7, 5e-324, 2 ** 53 - 1, -(2 ** 31), 0.1, Number.MAX_VALUE]),
  ])()
}

function anyJson(random: Dice, depth = 3): unknown {
  switch (random(depth > 0 ? 9 : 5)) {
    case 0:
      return anyText(random, 3)
    case 1:
      return anyNumber(random)
    case 2:
      return pick(random, [true, false, null])
    case 3:
      // JSON has neither, and says null.
      return pick(random, [NaN, Infinity, -Infinity])
    case 4:
      return pick<() => unknown>(random, [
        () => new Date(random(2 ** 28) * 1_000),
        () => new Map([[1, 2]]),
        () => new Uint8Array([1, random(256)]),
        () => Object(anyText(random, 2)),
        () => {
          const text = anyText(random, 2)
          return { toJSON: () => text }
        },
        () => new Error(anyText(random, 2)),
        () => Object.create(null),
        () => [undefined, Symbol('s'), () => 1],
      ])()
    case 5:
    case 6:
      return Array.from({ length: random(4) }, () => anyJson(random, depth - 1))
    default: {
      const entries = Array.from({ length: random(4) }, () => [
        anyText(random, 2),
        anyJson(random, depth - 1),
      ])
      return Object.fromEntries(entries) as unknown
    }
  }
}

const thrower = (thrown: unknown): object => ({
  toJSON() {
    throw thrown
  },
})

/** Values that are no JSON. */
function noJson(random: Dice): unknown {
  const circular: unknown[] = []
  circular.push({ circular })
  const unreadable = Object.defineProperty(new Error('hidden'), 'message', {
    get() {
      throw new Error('not to be read')
    },
  })
  return pick<unknown>(random, [
    1n,
    { deep: [1n] },
    Symbol('s'),
    () => 'x',
    circular,
    { toJSON: () => undefined },
    thrower(new Error('a\nb')),
    thrower(undefined),
    thrower(null),
    thrower(Symbol('s')),
    thrower({}),
    thrower(Object.create(null)),
    thrower(unreadable),
    Map,
    {
      get a(): never {
        throw new Error('not to be read')
      },
    },
  ])
}

/** Objects that are hard to name in an error's message. */
function nameless(random: Dice): object {
  return pick<() => object>(random, [
    () => ({ constructor: { name: Symbol('s') } }),
    () => ({ constructor: { name: Object.create(null) } }),
    () => ({ constructor: { name: anyText(random).repeat(1_000) } }),
    () => ({
      get constructor(): never {
        throw new Error('not to be read')
      },
    }),
    () => Object.defineProperty(() => {}, 'name', { value: Symbol('s') }),
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return proxy
    },
    () => Object.create(null) as object,
    () => [nameless(random)],
  ])()
}

/** A value that no field but data may have. */
const noField = (random: Dice): unknown =>
  chance(random, 4) ? nameless(random) : pick(random, [null, true, false, 1n, Symbol('s'), {}, [], ['x']])

function badName(random: Dice): unknown {
  if (chance(random, 3)) return pick<unknown>(random, [5, 0, NaN, () => 'e', Object('e')])
  if (chance(random, 3)) return noField(random)
  return `${anyText(random)}${pick(random, ['\r', '\n', '\r\n'])}${anyText(random)}`
}

function badId(random: Dice): unknown {
  if (chance(random, 3)) return pick<unknown>(random, [NaN, Infinity, -Infinity, () => 'i', Object('i')])
  if (chance(random, 3)) return noField(random)
  return `${anyText(random)}${pick(random, ['\r', '\n', '\r\n', '\0'])}${anyText(random)}`
}

function badRetry(random: Dice): unknown {
  if (chance(random, 2)) return noField(random)
  return pick<unknown>(random, [-1, 0.5, NaN, Infinity, 1e21, 2 ** 53, '5', '5\ndata: x', '', -1e9])
}

/** What is no event at all. */
function noEvent(random: Dice): unknown {
  if (chance(random, 3)) return nameless(random)
  return pick<() => unknown>(random, [
    () => null,
    () => undefined,
    () => anyNumber(random),
    () => true,
    () => 1n,
    () => Symbol('s'),
    () => () => 'x',
    () => [anyText(random)],
    () => ({}),
    () => ({ data: undefined }),
    () => Buffer.from('data: x\n\n'),
    () => new Map([['data', 'x']]),
    () => ({ data: anyText(random), [`${anyText(random)}x`]: 1 }),
    () => ({ data: anyText(random), ['data: x\nevent']: 'x' }),
    () => ({
      data: 'd',
      get event(): never {
        throw new Error('not to be read')
      },
    }),
    () => ({
      get data(): never {
        throw Object.create(null)
      },
    }),
    () =>
      new Proxy(
        {},
        {
          ownKeys() {
            throw new Error('not to be read')
          },
        },
      ),
  ])()
}

export function anyAttempt(random: Dice): Attempt {
  switch (random(12)) {
    case 0:
      return anyComment(random)
    case 1:
      return { event: noEvent(random), steps: undefined, codes: [INVALID] }
    case 2:
    case 3: {
      const text = anyText(random, 8)
      return { event: text, steps: [dispatched(received(text))], codes: [] }
    }
    default:
      return anyFields(random)
  }
}

function anyComment(random: Dice): Attempt {
  if (chance(random, 10)) return { comment: noField(random), steps: undefined }
  const comment = anyText(random)
  const lines = received(comment).split('\n')
  return { comment, steps: lines.map((text) => ({ kind: 'comment', text })) }
}

const dispatched = (data: string, event?: string, id?: string): Step => ({ kind: 'event', data, event, id })

function anyFields(random: Dice): Attempt {
  const codes: string[] = []
  const fields: [string, unknown][] = []
  const take = (field: string, value: unknown, code?: string): void => {
    fields.push([field, value])
    if (code !== undefined) codes.push(code)
  }
  let event: string | undefined
  let id: string | undefined
  let ms: number | undefined
  let data: string | undefined
  // About one in four is wrong somewhere.
  const isWrong = (): boolean => chance(random, 10)

  if (chance(random, 2)) {
    if (isWrong()) take('event', badName(random), FIELD)
    else take('event', (event = oneLine(anyText(random))))
  }
  if (chance(random, 2)) {
    if (isWrong()) {
      take('id', badId(random), FIELD)
    } else {
      const value = chance(random, 3) ? anyNumber(random) : oneLine(anyText(random)).replaceAll('\0', '')
      take('id', value)
      id = String(value)
    }
  }
  if (chance(random, 4)) {
    if (isWrong()) take('retry', badRetry(random), FIELD)
    else take('retry', (ms = pick(random, [0, 1, random(2 ** 28), Number.MAX_SAFE_INTEGER])))
  }
  if (chance(random, 8)) take('data', undefined)
  else if (isWrong()) {
    take('data', noJson(random), DATA)
  } else {
    const value = chance(random, 2) ? anyText(random, 8) : anyJson(random)
    take('data', value)
    data = typeof value === 'string' ? value : JSON.stringify(value)
  }

  const input = Object.fromEntries(shuffled(random, fields)) as Record<string, unknown>
  const isEmpty = Object.values(input).every((value) => value === undefined)
  if (codes.length > 0 || isEmpty) return { event: input, steps: undefined, codes: [...codes, INVALID] }
  const steps: Step[] = ms === undefined ? [] : [{ kind: 'retry', ms }]
  if (data !== undefined) {
    steps.push(dispatched(received(data), wellFormed(event ?? '') || undefined, id && wellFormed(id)))
  }
  return { event: input, steps, codes: [] }
}

/**
 * Sends it.
 *
 * @returns what a client has to do for it
 * @throws Error when what should be refused is not, or the other way round, or without a code
 */
export function send(stream: EventStream, attempt: Attempt): Step[] {
  const codes = 'comment' in attempt ? [FIELD] : attempt.codes
  try {
    if ('comment' in attempt) stream.comment(attempt.comment as string)
    else stream.send(attempt.event as string)
  } catch (error) {
    const { code } = error as { code?: string }
    if (attempt.steps === undefined && code !== undefined && codes.includes(code)) return []
    throw error
  }
  if (attempt.steps === undefined) throw new Error(`taken, and not refused as ${codes.join()}`)
  return attempt.steps
}
