/** What an input is after it has crossed to another process and back, on the channel of `child_process`. */
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { BlockList } from 'node:net'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { restore, strippedOf } from '../../../src/executors/elsewhere/cloning.ts'
import { checkPortable } from '../../../src/executors/elsewhere/index.ts'
import { numbers } from '../../../src/testing/producers.ts'

const task = (
  input: unknown,
  context: Record<string, unknown> = {},
): Parameters<typeof checkPortable>[0] => ({
  executor: 'far',
  route: 'GET /',
  producer: numbers,
  input,
  context: { requestId: '1', route: 'GET /', ...context },
})

let child: ChildProcess
beforeAll(() => {
  child = fork(fileURLToPath(new URL('crossing-process.ts', import.meta.url)), { serialization: 'advanced' })
})
afterAll(() => child.kill())

const cycle = (): object => {
  const one: Record<string, unknown> = { n: 1 }
  return Object.assign(one, { self: one })
}

describe('an input that arrives in another process as it was', () => {
  test.each<[string, unknown]>([
    ['plain data', { text: 'x', list: [1, , 3n, -0, NaN, undefined, null] }], // eslint-disable-line no-sparse-arrays
    ['dates, patterns, maps and sets', [new Date(0), /a/gu, new Map([[{ key: 1 }, new Set([1])]])]],
    [
      'bytes',
      [Buffer.from('note'), new Float64Array(2), new DataView(new ArrayBuffer(4), 2), new ArrayBuffer(3)],
    ],
    [
      'objects without a prototype',
      Object.assign(Object.create(null), { deep: Object.create(null) as object }),
    ],
    [
      'an error with its cause',
      new RangeError('one', { cause: new Error('two', { cause: Buffer.from('x') }) }),
    ],
    ['a cycle', cycle()],
    ['wrapped primitives', [Object('text'), Object(5n)]],
  ])('%s', async (_, input) => {
    const checked = task(input)
    await checkPortable(checked, { sharedMemory: false })
    child.send({ input, stripped: strippedOf(checked) })
    const [echo] = (await once(child, 'message')) as [{ input: unknown; stripped?: object[] }]
    restore(echo.stripped)
    assert.deepStrictEqual(echo.input, input)
  })
})

describe('an input that would change, and arrives on a thread as it was, is refused for another process', () => {
  const memory = new SharedArrayBuffer(8)
  test.each<[string, unknown, string]>([
    ['a secret key', createSecretKey(Buffer.from('x')), 'an object ('],
    ['a public key', generateKeyPairSync('ed25519').publicKey, 'an object ('],
    ['a blob', new Blob(['x']), 'an object (Blob)'],
    ['a list of addresses', new BlockList(), 'an object (BlockList)'],
    ['shared memory', memory, 'an object (SharedArrayBuffer) in shared memory'],
    ['numbers in shared memory', new Int32Array(memory), 'an object (Int32Array) in shared memory'],
    ['a Buffer in shared memory', Buffer.from(memory), 'an object (Buffer) in shared memory'],
    ['a view of shared memory', new DataView(memory), 'an object (DataView) in shared memory'],
    [
      'memory of another realm',
      runInNewContext('new SharedArrayBuffer(4)'),
      'an object (SharedArrayBuffer) in shared memory',
    ],
  ])('%s', async (_, value, what) => {
    await checkPortable(task({ value }))
    await checkPortable(task({ value }), { sharedMemory: true })
    const refusal = expect.objectContaining({
      code: 'HF_ERR_INPUT_NOT_CLONEABLE',
      message: expect.stringContaining(`input.value is ${what}`) as string,
    }) as object
    expect(() => checkPortable(task({ value }), { sharedMemory: false })).toThrow(refusal)
    expect(() => checkPortable(task(1, { value }), { sharedMemory: false })).toThrow(
      `context.value is ${what}`,
    )
  })

  test('also what an error was caused by', () => {
    const cause = new Error('x', { cause: { key: createSecretKey(Buffer.from('x')) } })
    expect(() => checkPortable(task(cause), { sharedMemory: false })).toThrow(
      'input.cause.key is an object (',
    )
  })
})
