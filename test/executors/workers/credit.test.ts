import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { allocateCredit, Creditor, Debtor } from '../../../src/executors/workers/credit.ts'
import type { CloseReason } from '../../../src/index.ts'
import type { Debt, Order } from './credit-debtor.ts'
import { allocateTurns, READER, resetTurns, Turns } from '../../support/ring/interleaving.ts'
import { dice } from '../../support/random.ts'
import { otherThread } from '../../support/ring/worker.ts'

describe('what the server tells, the worker reads', () => {
  test.each(['ended', 'client', 'error', 'timeout', 'overflow', 'shutdown', 'lost'] satisfies CloseReason[])(
    'that the stream was closed as %s',
    (reason) => {
      const memory = allocateCredit(1)
      const debtor = new Debtor(memory, 0)
      expect(debtor.closed).toBe(false)
      new Creditor(memory, 0).close(reason)
      expect(debtor.closed).toBe(true)
      expect(debtor.reason).toBe(reason)
    },
  )

  test('how many bytes wait, also when more than 2^32 were written', () => {
    const memory = allocateCredit(1)
    const creditor = new Creditor(memory, 0)
    const debtor = new Debtor(memory, 0)
    for (let total = 0; total < 2 ** 33; total += 2 ** 29) {
      debtor.written(2 ** 29)
      expect(debtor.owed).toBe(2 ** 29)
      creditor.drained(total + 2 ** 29 - 5)
      expect(debtor.owed).toBe(5)
      creditor.drained(total + 2 ** 29)
      expect(debtor.owed).toBe(0)
    }
  })

  test('in a cell of its own for each stream, which the next stream finds empty', () => {
    const memory = allocateCredit(3)
    const creditor = new Creditor(memory, 1)
    creditor.close('client')
    creditor.drained(-9)
    for (const cell of [0, 2]) {
      expect(new Debtor(memory, cell).reason).toBeUndefined()
      expect(new Debtor(memory, cell).owed).toBe(0)
    }
    expect(new Creditor(memory, 1)).toBeDefined()
    expect(new Debtor(memory, 1).reason).toBeUndefined()
    expect(new Debtor(memory, 1).owed).toBe(0)
  })
})

describe('a worker is woken only when it asked to be', () => {
  test('by a message, once', () => {
    const memory = allocateCredit(1)
    const creditor = new Creditor(memory, 0)
    const debtor = new Debtor(memory, 0)
    expect(creditor.drained(1)).toBe(false)
    debtor.askForMessage()
    expect(creditor.drained(2)).toBe(true)
    expect(creditor.drained(3)).toBe(false)
    debtor.askForMessage()
    expect(creditor.close('client')).toBe(true)
  })

  test('in place, and then a message is not asked for', () => {
    const memory = allocateCredit(1)
    const creditor = new Creditor(memory, 0)
    const debtor = new Debtor(memory, 0)
    const messages: boolean[] = []
    // It changes while the worker looks, and begins to hold then.
    const holds = (): boolean => messages.push(creditor.drained(1)) === 2
    expect(debtor.waitUntil(holds, 10_000)).toBe(true)
    expect(messages).toEqual([false, false])
  })

  test('a wait in place ends unheld when its time is over', () => {
    const debtor = new Debtor(allocateCredit(1), 0)
    expect(debtor.waitUntil(() => false, 0)).toBe(false)
    // It looks before it waits and after, and sleeps in between.
    let looks = 0
    const holds = (): boolean => ++looks > 2
    expect(debtor.waitUntil(holds, 20)).toBe(false)
    expect(looks).toBe(2)
  })
})

describe('two threads', () => {
  const worker = otherThread(new URL('./credit-debtor.ts', import.meta.url))

  test('under no interleaving of their atomic accesses a wake-up is lost', () => {
    const turnsMemory = allocateTurns()
    const turns = new Turns(turnsMemory, READER)
    for (let seed = 1; seed <= 4_000; seed++) {
      const random = dice(Math.imul(seed, 0x9e3779b1))
      const credit = allocateCredit(1)
      const creditor = new Creditor(credit, 0)
      const pieces = Array.from({ length: 2 + random(8) }, () => 1 + random(100))
      const waits = (
        [['in place'], ['for a message'], ['in place', 'for a message']] satisfies Debt['waits'][]
      )[random(3)] as Debt['waits']
      const total = pieces.reduce((sum, piece) => sum + piece, 0)
      const closes = random(4) === 0
      resetTurns(turnsMemory, random(2 ** 28), [5, 20, 40, 70][random(4)] as number)
      worker().postMessage({ credit, pieces, waits, turns: turnsMemory } satisfies Order, [])
      try {
        turns.play(credit, () => {
          for (let drained = 0; drained < total;) {
            drained = Math.min(total, drained + 1 + random(100))
            const isLast = drained === total
            if (isLast && closes ? creditor.close('client') : creditor.drained(drained)) turns.ringBell()
          }
        })
      } catch (cause) {
        throw new Error(`in the interleaving of seed ${seed}`, { cause })
      }
      expect(turns.bothDone).toBe(true)
    }
  })

  test.each<{ waits: Debt['waits']; rounds: number }>([
    { waits: ['in place'], rounds: 20_000 },
    { waits: ['for a message'], rounds: 10_000 },
    { waits: ['in place', 'for a message', 'for a message', 'in place'], rounds: 10_000 },
  ])('$rounds debts are settled by a worker that waits $waits', async ({ waits, rounds }) => {
    const credit = allocateCredit(1)
    const creditor = new Creditor(credit, 0)
    const written = new SharedArrayBuffer(4)
    const { port1, port2 } = new MessageChannel()
    const random = dice(rounds)
    const pieces = Array.from({ length: rounds }, () => 1 + random(1_000))
    worker().postMessage({ credit, pieces, waits, written, port: port2 } satisfies Order, [port2])
    const progress = new Int32Array(written)
    let drained = 0
    let over = false
    const drain = (): void => {
      const now = Atomics.load(progress, 0)
      if (now !== drained) {
        // In two steps: the first does not settle anything.
        if (now - drained > 1 && creditor.drained(now - 1)) port1.postMessage(null)
        drained = now
        if (creditor.drained(now)) port1.postMessage(null)
      }
      if (!over) setImmediate(drain)
    }
    drain()
    const [result] = (await once(port1, 'message')) as [string]
    over = true
    port1.close()
    expect(result).toBe('settled')
  })
})
