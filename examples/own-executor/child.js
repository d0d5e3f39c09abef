// The child process of in-a-process.js.
import { FarEnd } from 'headfirst/elsewhere'

const streams = new Map()

process.on('message', ({ stream, message }) => {
  if (!('order' in message)) {
    streams.get(stream)?.take(message)
    return
  }
  const far = new FarEnd(message.order, (frame) => process.send({ stream, frame }))
  streams.set(stream, far)
  void far.run().then(() => streams.delete(stream))
})
// The server has ended.
process.on('disconnect', () => process.exit())
