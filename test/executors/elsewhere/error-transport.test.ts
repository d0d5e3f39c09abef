import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeError, encodeError } from '../../../src/executors/elsewhere/error-transport.ts'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { allocateRing, RingReader, RingWriter } from '../../../src/executors/workers/ring.ts'
import { Reading } from '../../support/ring/frames.ts'

const pass = (thrown: unknown): unknown => decodeError(encodeError(thrown))

test('name, message, stack, plain fields and cause of an error come through', () => {
  const error = Object.assign(new TypeError('no', { cause: new Error('why') }), {
    code: 'E_NO',
    statusCode: 4,
  })
  expect(pass(error)).toMatchObject({ name: 'TypeError', message: 'no', code: 'E_NO', statusCode: 4 })
  expect((pass(error) as Error).stack).toBe(error.stack)
  expect((pass(error) as Error).cause).toMatchObject({ name: 'Error', message: 'why' })
  expect(pass(error)).toBeInstanceOf(Error)
  expect(pass(new Error('without'))).not.toHaveProperty('cause')
})

test('own properties that are texts, numbers or truth values come through, no others', () => {
  const fields = { text: 'x', number: 0, yes: true, no: false }
  const others = { big: 1n, symbol: Symbol('s'), object: {}, nothing: null, call: () => {} }
  const passed = pass(Object.assign(new Error('x'), fields, others)) as Error
  expect(Object.fromEntries(Object.entries(passed))).toEqual(fields)
})

test('name and stack are where an error has them: not among what is listed, and may be changed', () => {
  const error = pass(new RangeError('x')) as Error
  for (const key of ['name', 'stack']) {
    expect(Object.getOwnPropertyDescriptor(error, key)).toMatchObject({
      enumerable: false,
      writable: true,
      configurable: true,
    })
  }
})

test('a stack that is no text is left out', () => {
  expect((pass(Object.assign(new Error('x'), { stack: 5 })) as Error).stack).toBe(undefined)
})

test('long texts are cut, and shorter where they are many', () => {
  const long = 'x'.repeat(100_000)
  expect(pass(new Error(long))).toMatchObject({ message: 'x'.repeat(8_000) })
  expect(pass(long)).toBe('x'.repeat(8_000))
  expect(pass({ long })).toBe('[object Object]')
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`field${n}`, long]))
  expect(pass(Object.assign(new Error('x'), many))).toMatchObject({ field0: 'x'.repeat(2_000) })
})

test.each<[string, unknown]>([
  [
    'cannot be read',
    Object.defineProperty(new Error('x'), 'name', { get: () => assert.fail('not to be read') }),
  ],
  [
    'is too large however its texts are cut',
    Object.assign(new Error('x'), Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [n, n]))),
  ],
])('of what %s that much is said', (_, thrown) => {
  const message = 'What the producer threw cannot be read, or is too large.'
  expect(pass(thrown)).toMatchObject({ name: 'Error', message })
  expect(pass(thrown)).toBeInstanceOf(Error)
})

test('what is no error comes through as it is, or as text', () => {
  for (const value of ['text', 7, null, { a: [1] }]) expect(pass(value)).toEqual(value)
  expect(pass(undefined)).toBe('undefined')
  expect(pass(7n)).toBe('7')
  expect(pass(Symbol('s'))).toBe('Symbol(s)')
  expect(pass(Math.max)).toBe(String(Math.max))
})

test('causes that go round in a circle are cut', () => {
  const error = new Error('round')
  error.cause = error
  expect(pass(error)).toMatchObject({ cause: { cause: { cause: { message: 'round' } } } })
})

const error = { name: 'Error', message: 'x', fields: {} }

/** As many causes, one within the other. */
function causes(depth: number): object {
  return { error: depth === 0 ? error : { ...error, cause: causes(depth - 1) } }
}

test.each<[string, unknown, string]>([
  ['a number', 5, 'no error'],
  ['null', null, 'no error'],
  ['neither an error nor a value', {}, 'no error'],
  ['an error that is null', { error: null }, 'no error'],
  ['an error that is a text', { error: 'x' }, 'no error'],
  ['a name that is no text', { error: { ...error, name: 5 } }, 'no error'],
  ['a message that is no text', { error: { ...error, message: undefined } }, 'no error'],
  ['a stack that is no text', { error: { ...error, stack: 5 } }, 'no error'],
  ['no fields', { error: { ...error, fields: undefined } }, 'no error'],
  ['fields that are null', { error: { ...error, fields: null } }, 'no error'],
  ['a field that is an object', { error: { ...error, fields: { a: 1, b: {} } } }, 'no error'],
  ['a cause that is none', { error: { ...error, cause: null } }, 'no error'],
  ['more causes than are ever sent', causes(4), 'causes that are too deep'],
])('what encodeError() never makes is refused: %s', (_, thrown, message) => {
  expect(() => decodeError(Buffer.from(JSON.stringify(thrown)))).toThrow(message)
})

test('as many causes as are ever sent are taken', () => {
  expect(decodeError(Buffer.from(JSON.stringify(causes(3))))).toMatchObject({
    cause: { cause: { cause: { message: 'x' } } },
  })
})

test('whatever is thrown fits into one frame of the ring', () => {
  const thrown = fc.oneof(
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
    fc
      .tuple(
        fc.string({ unit: 'binary' }),
        fc.integer({ min: 0, max: 60_000 }),
        fc.integer({ min: 0, max: 300 }),
      )
      .map(([text, length, fields]) =>
        Object.assign(
          new Error(text.repeat(length).slice(0, 60_000), { cause: text.repeat(length).slice(0, 60_000) }),
          Object.fromEntries(
            Array.from({ length: fields }, (_, n) => [`${text}${n}`, '\u0001'.repeat(9_000)]),
          ),
        ),
      ),
  )
  fc.assert(
    fc.property(thrown, (each) => {
      const ring = allocateRing(1_048_576)
      new RingWriter(ring, () => {}).write(1, FrameKind.ERROR, encodeError(each))
      const reading = new Reading()
      new RingReader(ring).drain(Infinity, reading)
      expect(reading.frames).toBe(1)
    }),
    { numRuns: 30 },
  )
})
