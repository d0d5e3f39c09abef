/** Who follows a session may throw: then what goes on ends, with that error. */
import { expect, test } from 'vitest'
import type { Onlooker } from '../../../profiler/load/session.ts'
import { answering, BRIEFLY, chunk, END, HEAD, planOf, session } from '../profiling.ts'

const ENDLESS = '--closed 1 --duration 1h --timeout 1h --warmup 0'.split(' ')
const SEEN: Onlooker = { opening() {}, standing() {}, anew() {} }

test('what an onlooker of a measurement throws ends it, and the next can begin', async () => {
  const url = await answering((socket, asked) => {
    if (!asked.includes('/forever')) socket.end(HEAD + chunk('data: a\n\n') + END)
  })
  const one = session(1)
  const mistake = new Error('a mistake of the onlooker')
  let calls = 0
  const onlooker: Onlooker = {
    ...SEEN,
    standing() {
      calls++
      throw mistake
    },
  }
  await expect(one.measure(planOf(url.replace('/stream', '/forever'), ...ENDLESS), onlooker)).rejects.toBe(
    mistake,
  )
  expect(calls).toBe(1)
  const measured = await one.measure(planOf(url, ...BRIEFLY), SEEN)
  expect(measured).toMatchObject({ arrivals: 10, outcomes: { good: 10 } })
})

test('what an onlooker throws while streams are opened ends that', async () => {
  const url = await answering(() => {})
  const mistake = new Error('a mistake of the onlooker')
  const onlooker: Onlooker = {
    ...SEEN,
    opening() {
      throw mistake
    },
  }
  await expect(session(1).hold(planOf(url), 5, onlooker)).rejects.toBe(mistake)
})

test('times so long that no timer lasts that long end no measurement before it begins', async () => {
  const url = await answering((socket) => socket.end(HEAD + chunk('data: a\n\n') + END))
  const measured = await session(1).measure(planOf(url, ...BRIEFLY, '--timeout', '2147483647ms'))
  expect(measured?.outcomes).toEqual({ good: 10 })
})
