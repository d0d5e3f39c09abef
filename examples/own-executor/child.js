// The process that in-a-process.js starts.
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
// The server is gone.
process.on('disconnect', () => process.exit())
