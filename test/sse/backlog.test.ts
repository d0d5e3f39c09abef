/** One file: examples stand beside the model that the properties compare the backlog with. */
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Backlog, type Chunk, type DropPolicy } from '../../src/sse/backlog.ts'
import { encodeComment, encodeEvent } from '../../src/sse/event.ts'

const text = (chunks: readonly Chunk[]): string =>
  Buffer.concat(chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk))).toString()

/** Lines that are comments or a retry, and events, each with its closing empty line. */
const blocksOf = (all: string): string[] => all.match(/(:|retry: )[^\n]*\n|[^]*?\n\n/gy) ?? []

const isEvent = (block: string): boolean => !/^(:|retry: )/.test(block)

const eventsOf = (all: string): string[] => blocksOf(all).filter(isEvent)

function addTo(backlog: Backlog, chunk: Chunk): void {
  backlog.add(chunk, typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength)
}

const policies: DropPolicy[] = ['drop-oldest', { latest: 'event' }, { latest: 'id' }]

/** What the newest of a kind replaces, written anew from the standard's point of view. */
function keyIn(block: string, policy: DropPolicy): string | undefined {
  if (block.startsWith('retry: ')) return 'retry'
  const fields = new Map(
    block.split('\n').map((line) => [line.split(':')[0], line.slice(line.indexOf(': ') + 2)]),
  )
  if (policy === 'drop-oldest' || !fields.has('data')) return undefined
  return policy.latest === 'id' ? fields.get('id') : fields.get('event') || 'message'
}

const withoutReplaced = (blocks: string[], policy: DropPolicy): string[] =>
  blocks.filter((one, index) => {
    const key = keyIn(one, policy)
    return key === undefined || !blocks.slice(index + 1).some((newer) => keyIn(newer, policy) === key)
  })

/** What is left when the oldest go: all but the newest event and the retry, which end up behind what they were before. */
function withoutOldest(blocks: string[], most: number): string[] {
  const newest = blocks.findLastIndex(isEvent)
  const behind: string[] = []
  let bytes = Buffer.byteLength(blocks.join(''))
  let seen = 0
  for (; bytes > most && seen < blocks.length; seen++) {
    const block = blocks[seen] as string
    if (seen === newest || block.startsWith('retry: ')) behind.push(block)
    else bytes -= Buffer.byteLength(block)
  }
  return [...blocks.slice(seen), ...behind]
}

const word = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'message', 'data', 'data: x', 'é', '中', '😀'),
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => !/[\r\n\0]/.test(value)),
)

/** One event, with or without a retry before its data, or a comment, or a retry alone, as it is encoded. */
const block = fc.oneof(
  fc
    .record(
      {
        data: fc.oneof(word, fc.string({ unit: 'binary', maxLength: 40 })),
        event: word,
        id: fc.oneof(word, fc.nat(5)),
        retry: fc.nat(9),
      },
      { requiredKeys: ['data'] },
    )
    .map((fields) => encodeEvent(fields)),
  fc.constantFrom('a', 'b').map((id) => encodeEvent({ id })),
  fc.nat(9).map((retry) => encodeEvent({ retry })),
  word.map(encodeComment),
)

/** A batch as text, as bytes, or as a part of more bytes. */
const anyChunk: fc.Arbitrary<Chunk> = fc
  .tuple(fc.array(block, { minLength: 1, maxLength: 6 }), fc.constantFrom('text', 'bytes', 'part', 'plain'))
  .map(([blocks, form]) => {
    const all = blocks.join('')
    if (form === 'text') return all
    if (form === 'bytes') return Buffer.from(all)
    if (form === 'plain') return new TextEncoder().encode(all)
    return Buffer.from(`data: not this\n\n${all}data: nor this\n\n`).subarray(16, 16 + Buffer.byteLength(all))
  })

const step = fc.oneof(
  { weight: 4, arbitrary: anyChunk.map((added) => ({ added })) },
  { weight: 1, arbitrary: fc.nat(60).map((most) => ({ most })) },
  { weight: 1, arbitrary: fc.constant({ most: Infinity }) },
)

describe.each(policies)('whatever is added and taken, with %o', (policy) => {
  test('bytes and drops are counted right, and nothing is lost or turned', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(200), (steps, bound) => {
        const backlog = new Backlog()
        /** What ought to wait. */
        let waiting: string[] = []
        let dropping = false
        let [added, taken] = [0, 0]
        const bytes = (): number => Buffer.byteLength(waiting.join(''))
        for (const each of steps) {
          if ('most' in each) {
            const blocks = blocksOf(text(backlog.take(each.most)))
            assert.deepEqual(blocks, waiting.splice(0, blocks.length))
            taken += eventsOf(blocks.join('')).length
            // As much as was asked for, and one block over it at most.
            assert(Buffer.byteLength(blocks.slice(0, -1).join('')) <= each.most)
            assert(waiting.length === 0 || Buffer.byteLength(blocks.join('')) > each.most)
            if (waiting.length === 0) dropping = false
          } else {
            addTo(backlog, each.added)
            waiting.push(...blocksOf(text([each.added])))
            added += eventsOf(text([each.added])).length
            // Since the first drop a newer block replaces the one of its key at once.
            if (dropping) waiting = withoutReplaced(waiting, policy)
            if (bytes() > bound) {
              backlog.drop(policy, bound)
              waiting = withoutOldest(withoutReplaced(waiting, policy), bound)
              dropping = waiting.length > 0
            }
          }
          expect(backlog.bytes).toBe(bytes())
        }
        const left = text(backlog.take())
        expect(left).toBe(waiting.join(''))
        expect(backlog.bytes).toBe(0)
        expect(taken + eventsOf(left).length + backlog.dropped).toBe(added)
      }),
      { numRuns: 500 },
    )
  })
})

const event = (fields: Parameters<typeof encodeEvent>[0]): string => encodeEvent(fields)

/** What is left of these events when nothing else is dropped than what a newer one replaces. */
function latest(by: 'event' | 'id', chunks: Chunk[]): { left: string[]; dropped: number } {
  const backlog = new Backlog()
  for (const one of chunks) addTo(backlog, one)
  backlog.drop({ latest: by }, Infinity)
  return { left: blocksOf(text(backlog.take())), dropped: backlog.dropped }
}

describe('latest', () => {
  test('by name: an event without one is a message, whatever its id', () => {
    const chunks = [
      event({ event: 'price', data: 1, id: 1 }),
      event('x'),
      event({ event: 'message', data: 'y' }),
      event({ event: 'price', data: 2, id: 2 }),
      event({ event: '', data: 'z' }),
    ]
    expect(latest('event', chunks)).toEqual({ left: [chunks[3], chunks[4]], dropped: 3 })
  })

  test('by id: an event without one is replaced by nothing', () => {
    const chunks = [
      event({ id: 7, data: 'old' }),
      event('first'),
      event({ id: '8', data: 'else' }),
      event('second'),
      event({ id: '7', data: 'new', event: 'other' }),
    ]
    expect(latest('id', chunks)).toEqual({ left: chunks.slice(1), dropped: 1 })
  })

  test('an event without data replaces nothing, and is replaced by nothing', () => {
    const chunks = [event({ event: 'a' }), event({ event: 'a' }), event({ event: 'a', data: '' })]
    expect(latest('event', [...chunks, event({ event: 'a' })]).dropped).toBe(0)
    expect(latest('id', [event({ id: 1 }), event({ id: 1 }), event({ id: 1, data: 1 })]).dropped).toBe(0)
  })

  test('a name is not taken from the data', () => {
    const chunks = [event('event: a\nid: 1\n\nevent: a'), event({ event: 'a', data: 'x' })]
    expect(latest('event', chunks).dropped).toBe(0)
    expect(
      latest(
        'event',
        chunks.map((chunk) => Buffer.from(chunk)),
      ).dropped,
    ).toBe(0)
    expect(latest('id', [event('id: 1'), event({ id: 1, data: 'x' })]).dropped).toBe(0)
  })

  test('the newest stands where it was sent, after those that are older', () => {
    const chunks = [
      event({ event: 'a', data: 1 }),
      event({ event: 'b', data: 2 }),
      event({ event: 'a', data: 3 }),
    ]
    expect(latest('event', [Buffer.from(chunks.join(''))]).left).toEqual([chunks[1], chunks[2]])
  })

  test('names of all of Unicode, in text and in bytes, are the same', () => {
    const fields = { event: 'größe 中 😀', data: 'é' }
    expect(latest('event', [event(fields), Buffer.from(event(fields)), event(fields)])).toEqual({
      left: [event(fields)],
      dropped: 2,
    })
  })
})

/** What is left of these chunks within a bound, and how many events were dropped. */
function bounded(policy: DropPolicy, most: number, chunks: Chunk[]): { left: string; dropped: number } {
  const backlog = new Backlog()
  for (const one of chunks) addTo(backlog, one)
  backlog.drop(policy, most)
  const left = text(backlog.take())
  return { left, dropped: backlog.dropped }
}

describe('lines', () => {
  test('comments are dropped and not counted, wherever they stand', () => {
    const chunks = [': hello\n: you\n', `:\n${event('old')}:\n`, ':\n', event('last'), ': after\n']
    expect(bounded('drop-oldest', 1, chunks)).toEqual({ left: event('last'), dropped: 1 })
    expect(bounded('drop-oldest', 1, [chunks.join('')])).toEqual({ left: event('last'), dropped: 1 })
    expect(bounded('drop-oldest', 1, [Buffer.from(chunks.join(''))]).dropped).toBe(1)
    expect(bounded('drop-oldest', 1, [':\n', ':\n'])).toEqual({ left: '', dropped: 0 })
  })

  test.each(policies)('an event that is dropped takes no retry before it along, with %o', (policy) => {
    const old = ['retry: 7\n', ':\n', event('old')].join('')
    for (const chunk of [old, Buffer.from(old)]) {
      const expected = { left: `retry: 7\n${event('last')}`, dropped: 1 }
      expect(bounded(policy, 1, [chunk, event('last')])).toEqual(expected)
    }
  })

  test.each(policies)('of retries the newest stays, whether alone or in an event, with %o', (policy) => {
    const chunks = [
      'retry: 5\n',
      event({ id: 1, event: 'x', data: 1 }),
      'retry: 6\n',
      event({ retry: 7, data: 'x' }),
    ]
    const { left, dropped } = bounded(policy, 1, chunks)
    expect({ left: left.match(/retry: .*/g), dropped }).toEqual({ left: ['retry: 7'], dropped: 1 })
  })

  test('a retry within an event is a part of it', () => {
    const one = event({ event: 'a', retry: 5, data: 'x' })
    expect(bounded({ latest: 'event' }, Infinity, [one, one])).toEqual({ left: one, dropped: 1 })
    const nameless = event({ id: 1, retry: 5 })
    expect(bounded({ latest: 'id' }, Infinity, [nameless, nameless])).toEqual({
      left: nameless.repeat(2),
      dropped: 0,
    })
  })

  test('a part that is taken ends after any of them', () => {
    const backlog = new Backlog()
    addTo(backlog, `retry: 5\n:\n: é\n${event('x')}:\n`)
    const parts = [0, 0, 0, 0, 0].map((most) => text(backlog.take(most)))
    expect(parts).toEqual(['retry: 5\n', ':\n', ': é\n', event('x'), ':\n'])
  })

  test('that somebody has closed with an empty line keep it, and are no events', () => {
    const chunks = [':\n\n', `: x\n\nretry: 5\n\n${event('old')}`, event('last')]
    expect(bounded('drop-oldest', 1, chunks)).toEqual({ left: `retry: 5\n\n${event('last')}`, dropped: 1 })
  })
})

test('the newest event stays, however large, and whatever comes after it', () => {
  const backlog = new Backlog()
  const large = event('x'.repeat(1_000))
  addTo(backlog, Buffer.from(`${event('small')}${large}`))
  backlog.drop('drop-oldest', 10)
  expect(backlog.bytes).toBe(large.length)
  addTo(backlog, event('newer'))
  addTo(backlog, ': a\n: b\n')
  backlog.drop('drop-oldest', 0)
  addTo(backlog, ': c\n')
  backlog.drop('drop-oldest', 0)
  expect(text(backlog.take(0))).toBe(event('newer'))
  expect(backlog.dropped).toBe(2)
})

test('from the first drop until nothing waits a newer event replaces the older one at once', () => {
  const backlog = new Backlog()
  addTo(backlog, event({ event: 'a', data: 1 }))
  addTo(backlog, event({ event: 'b', data: 1 }))
  backlog.drop({ latest: 'event' }, Infinity)
  addTo(backlog, event({ event: 'a', data: 2 }))
  expect(backlog.dropped).toBe(1)
  backlog.take()
  addTo(backlog, event({ event: 'a', data: 3 }))
  addTo(backlog, event({ event: 'a', data: 4 }))
  expect(backlog.dropped).toBe(1)
})

test('a block that waits does not keep the batch that it came in', () => {
  const backlog = new Backlog()
  const batch = Buffer.from(`${event('x'.repeat(60_000))}${event('last')}`)
  addTo(backlog, batch)
  backlog.drop('drop-oldest', 100)
  const [left] = backlog.take() as [Uint8Array]
  expect(left.buffer.byteLength).toBe(left.byteLength)
})

test('it is over with the last block, also where that is taken as a part', () => {
  const backlog = new Backlog()
  addTo(backlog, event({ event: 'a', data: 1 }))
  addTo(backlog, event({ event: 'b', data: 1 }))
  backlog.drop({ latest: 'event' }, Infinity)
  expect(backlog.take(backlog.bytes - 1)).toHaveLength(2)
  addTo(backlog, event({ event: 'a', data: 3 }))
  addTo(backlog, event({ event: 'a', data: 4 }))
  expect(backlog.dropped).toBe(0)
})

test('it is over as well where nothing waited but comments, which are dropped', () => {
  const backlog = new Backlog()
  addTo(backlog, ':\n')
  backlog.drop({ latest: 'event' }, 0)
  addTo(backlog, event({ event: 'a', data: 1 }))
  addTo(backlog, event({ event: 'a', data: 2 }))
  expect(backlog.dropped).toBe(0)
})

test('a part is taken of a batch in one piece, and nothing is left of what was taken', () => {
  const backlog = new Backlog()
  for (let batch = 0; batch < 3; batch++) addTo(backlog, TEN.repeat(10))
  expect(backlog.take(35)).toEqual([TEN.repeat(4)])
  expect(backlog.take(25)).toEqual([TEN.repeat(3)])
  expect(backlog.take(25)).toEqual([TEN.repeat(3)])
  expect(backlog.take()).toEqual([TEN.repeat(10), TEN.repeat(10)])
})

test('the same of bytes', () => {
  const backlog = new Backlog()
  for (let batch = 0; batch < 2; batch++) addTo(backlog, Buffer.from(TEN.repeat(10)))
  const portions = [35, 25, 50, Infinity].map((most) => backlog.take(most).map((part) => part.length))
  expect(portions).toEqual([[40], [30], [30, 30], [70]])
})

/** One event of ten bytes, the same for each. */
const TEN = 'data: 10\n\n'
/** Fewer under mutation testing, where the code is slower by far. */
const MILLION = process.env['MUTATION_TESTS'] === undefined ? 1_000_000 : 10_000

// Each of these would take minutes if its cost grew with what waits.
describe.each<[string, (number: number) => Chunk]>([
  ['text', () => TEN],
  ['bytes', () => Buffer.from(TEN)],
])('a million events as %s', (_, make) => {
  test('with a bound of 100,000 that wait', () => {
    const backlog = new Backlog()
    for (let number = 0; number < MILLION; number++) {
      backlog.add(make(number), TEN.length)
      if (backlog.bytes > MILLION) backlog.drop('drop-oldest', MILLION)
    }
    expect(backlog.bytes).toBe(MILLION)
    expect(backlog.dropped).toBe(MILLION - MILLION / 10)
  })

  test('taken in small portions', () => {
    const backlog = new Backlog()
    for (let number = 0; number < MILLION; number++) backlog.add(make(number), TEN.length)
    let taken = 0
    while (backlog.bytes > 0) taken += backlog.take(100).length
    expect(taken).toBe(MILLION)
  })
})

test('a million events in one batch, taken in small portions', () => {
  const backlog = new Backlog()
  backlog.add(Buffer.from(TEN.repeat(MILLION)), TEN.length * MILLION)
  let taken = 0
  while (backlog.bytes > 0) for (const one of backlog.take(1_000)) taken += one.length
  expect(taken).toBe(TEN.length * MILLION)
})

test('a million events of a hundred names', () => {
  const backlog = new Backlog()
  for (let number = 0; number < MILLION; number++) {
    addTo(backlog, event({ event: `n${number % 100}`, data: number }))
    if (backlog.bytes > 1_000) backlog.drop({ latest: 'event' }, 100_000)
  }
  expect(blocksOf(text(backlog.take()))).toHaveLength(100)
  expect(backlog.dropped).toBe(MILLION - 100)
})
