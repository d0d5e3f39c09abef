/** The thread that writes, in the tests of the ring. */
import { parentPort, type MessagePort } from 'node:worker_threads'
import { RingWriter } from '../../../src/executors/workers/ring.ts'
import { writeFrame, writeSoak, type Frame, type Soak } from '../../support/ring/frames.ts'
import { Turns, WRITER } from '../../support/ring/interleaving.ts'

export type Order =
  | { soak: Soak; ring: SharedArrayBuffer; bell: MessagePort }
  | { frames: Frame[]; ring: SharedArrayBuffer; turns: SharedArrayBuffer }

parentPort?.on('message', (order: Order) => {
  if ('soak' in order) {
    const { bell: port } = order
    writeSoak(new RingWriter(order.ring, () => port.postMessage(null)), order.soak)
    port.close()
    return
  }
  const turns = new Turns(order.turns, WRITER)
  turns.play(order.ring, () => {
    const ring = new RingWriter(order.ring, () => turns.ringBell())
    for (const frame of order.frames) writeFrame(ring, frame)
  })
})
