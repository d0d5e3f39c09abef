import { expect, test } from 'vitest'
import { loadProducer } from '../../../bench/servers/own-producer.ts'
import { counts } from './lone-producer.ts'

const url = (path: string): string => new URL(path, import.meta.url).href

test('the only portable producer of a module is taken', async () => {
  expect(await loadProducer(url('lone-producer.ts'))).toBe(counts)
})

test('of more than one, none is', async () => {
  await expect(loadProducer(url('../../../bench/servers/producers.ts'))).rejects.toThrow(
    /or one as its default export; it exports .*block, .*burst/,
  )
})

test('a module without any says what it has', async () => {
  await expect(loadProducer(url('../../../bench/statistics/theory.ts'))).rejects.toThrow(
    'should export one portable producer (what producer(import.meta.url, …) returns); it exports none among: lindleyWaits',
  )
})
