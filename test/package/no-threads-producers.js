import { producer } from 'headfirst'

export const two = producer(
  import.meta.url,
  async (stream) => {
    stream.send('one')
    stream.send('two')
  },
  { name: 'two' },
)

export const exits = producer(
  import.meta.url,
  async (stream) => {
    stream.send('before')
    process.exit(3)
  },
  { name: 'exits' },
)
