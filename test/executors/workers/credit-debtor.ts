/** The thread that owes, in the tests of credit. */
import { parentPort, type MessagePort } from 'node:worker_threads'
import { Debtor } from '../../../src/executors/workers/credit.ts'
import { Turns, WRITER } from '../../support/ring/interleaving.ts'

export interface Debt {
  credit: SharedArrayBuffer
  /** What is written, one after the other, in bytes; before each the debtor waits until it owes nothing. */
  pieces: number[]
  /** How it waits, by turns of this list. */
  waits: ('in place' | 'for a message')[]
}

export type Order =
  | (Debt & { turns: SharedArrayBuffer })
  /** Tells in `written` what was written so far, and takes messages from `port`. */
  | (Debt & { written: SharedArrayBuffer; port: MessagePort })

/** Safety only: a wait that takes so long has missed its wake-up. */
const TIMEOUT_MS = 10_000

parentPort?.on('message', (order: Order) => {
  const { credit, pieces, waits } = order
  const debtor = new Debtor(credit, 0)
  const settled = (): boolean => debtor.closed || debtor.owed <= 0
  if ('turns' in order) {
    const turns = new Turns(order.turns, WRITER)
    turns.play(credit, () => {
      for (const [index, piece] of pieces.entries()) {
        debtor.written(piece)
        if (waits[index % waits.length] === 'in place') debtor.waitUntil(settled, TIMEOUT_MS)
        else {
          while (!settled()) {
            debtor.askForMessage()
            if (!settled()) turns.awaitBell()
          }
        }
      }
    })
    return
  }
  const { port } = order
  const written = new Int32Array(order.written)
  const pay = async (): Promise<void> => {
    for (const [index, piece] of pieces.entries()) {
      debtor.written(piece)
      Atomics.add(written, 0, piece)
      if (waits[index % waits.length] === 'in place') {
        if (!debtor.waitUntil(settled, TIMEOUT_MS)) throw new Error(`piece ${index} was not settled`)
        continue
      }
      while (!settled()) {
        debtor.askForMessage()
        if (!settled()) await new Promise((resolve) => port.once('message', resolve))
      }
    }
    port.postMessage('settled')
  }
  void pay().finally(() => port.close())
})
