/** A process of far ends, for any number of links. It sends its port to its parent, and for each link its open streams. */
import { createServer, type AddressInfo } from 'node:net'
import { FarEnd } from '../../../src/executors/elsewhere/index.ts'
import { encodeMessage, onMessages } from './tcp-messages.ts'
import type { ToThread } from '../../support/linked-executor.ts'

const server = createServer((socket) => {
  const ends = new Map<number, FarEnd>()
  const report = (): void => void process.send?.({ open: ends.size })
  const over = (stream: number): void => {
    ends.delete(stream)
    report()
  }
  onMessages(socket, (received) => {
    const { stream, message } = received as ToThread
    if (!('order' in message)) {
      ends.get(stream)?.take(message)
      return
    }
    const far = new FarEnd(message.order, (frame) => socket.write(encodeMessage({ stream, frame })))
    ends.set(stream, far)
    report()
    void far.run().then(() => over(stream))
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    for (const far of ends.values()) far.take({ closed: 'lost' })
  })
}).listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit())
