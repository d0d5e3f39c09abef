import { producer, type PortableProducer } from '../../src/index.ts'

export const computing: PortableProducer<number> = producer(
  import.meta.url,
  async (stream, ms: number) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    stream.send('done')
  },
  { name: 'computing' },
)
