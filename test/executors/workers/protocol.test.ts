import { MessageChannel } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { isHello } from '../../../src/executors/workers/protocol.ts'

test('a greeting has a ring, a credit and a port; whatever else a thread posts is none', () => {
  const { port1: port } = new MessageChannel()
  onTestFinished(() => port.close())
  const memory = new SharedArrayBuffer(8)
  const hello = { ring: memory, credit: memory, port }
  expect(isHello(hello)).toBe(true)
  for (const message of [
    undefined,
    null,
    'text',
    5,
    {},
    { ...hello, ring: undefined },
    { ...hello, credit: new ArrayBuffer(8) },
    { ...hello, port: {} },
  ]) {
    expect(isHello(message)).toBe(false)
  }
  // Not an object, and yet with all of it.
  expect(isHello(Object.assign(() => {}, hello))).toBe(false)
})
