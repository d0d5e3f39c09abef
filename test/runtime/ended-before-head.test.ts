/** An executor that ends a task before its head has left: its client gets the head, and the end. */
import { describe, expect, test } from 'vitest'
import type { Task } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'

const ENDS: readonly [name: string, end: (task: Task) => void, reason: string][] = [
  ['fail()', (task) => task.fail(new Error('before the head')), 'error'],
  ['end()', (task) => task.end(), 'ended'],
  ['close()', (task) => task.close(), 'ended'],
]

describe.each(ENDS)('%s in admit()', (_name, end, reason) => {
  test('ends the stream right after its head', async () => {
    let ran = 0
    const executor = { admit: end, run: () => void ran++ }
    const testbed = await Testbed.make({ executor: 'own', executors: { own: executor } })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(() => {}))
    const { status, body } = await testbed.request('/')
    expect({ status, body }).toEqual({ status: 200, body: '' })
    expect((await testbed.closeInfo()).reason).toBe(reason)
    await testbed.idle()
    expect(ran).toBe(0)
  })
})
