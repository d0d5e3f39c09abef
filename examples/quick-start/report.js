// report.js: a module of its own, so that a thread can load it
import { producer } from 'headfirst'

export const report = producer(import.meta.url, async (stream, { id }) => {
  stream.send({ event: 'progress', data: { id, done: 0 } })
  let sum = 0
  for (let n = 0; n < 2e9; n++) sum += n
  stream.send({ event: 'done', data: { id, sum } })
})
