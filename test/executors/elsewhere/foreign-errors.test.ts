/** Errors that a producer may throw, and that are not made by `new Error()` of its own realm. */
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { decodeError, encodeError } from '../../../src/executors/elsewhere/error-transport.ts'

const crossed = (thrown: unknown): unknown => decodeError(encodeError(thrown))

test('an error of another realm keeps what an error has, its cause too', () => {
  const thrown = runInNewContext(
    `Object.assign(new TypeError('no', { cause: new RangeError('why') }), { code: 'E_NO' })`,
  ) as Error
  const error = crossed(thrown) as Error
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'TypeError', message: 'no', code: 'E_NO', stack: thrown.stack })
  expect(error.cause).toMatchObject({ name: 'RangeError', message: 'why' })
})

test('an exception of the platform keeps its name', () => {
  expect(crossed(new DOMException('gone', 'DataError'))).toMatchObject({ name: 'DataError', message: 'gone' })
})

test('causes that form a cycle end after some', () => {
  const one = new Error('one')
  const two = new Error('two', { cause: one })
  one.cause = two
  const messages = []
  let error = crossed(one) as Error | undefined
  while (error !== undefined) {
    messages.push(error.message)
    error = error.cause as Error | undefined
  }
  expect(messages).toEqual(['one', 'two', 'one', 'two'])
})
