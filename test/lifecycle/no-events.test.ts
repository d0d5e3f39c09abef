import { describe, expect, test } from 'vitest'
import * as sources from './no-events-producers.ts'
import { ENDS_READABLE, NO_EVENTS } from './no-events-producers.ts'
import { EXECUTORS } from '../support/executors.ts'
import { Testbed } from '../support/testbed.ts'

const { bytes, ...others } = sources
const kinds = ['generator', 'asyncGenerator', 'array', 'sends', 'objects', 'webStream'] as const

describe.each(EXECUTORS)('on executor %s, what is no event', (executor) => {
  test.each(kinds)('ends the stream as error, after what was sent before (%s)', async (kind) => {
    const testbed = await Testbed.everywhere({ executor })
    const names = NO_EVENTS.filter((name) => kind !== 'objects' || !ENDS_READABLE.includes(name))
    for (const [number, name] of names.entries()) {
      testbed.route(`/${number}`, others[kind], name)
    }
    for (const [number, name] of names.entries()) {
      const { body, complete } = await testbed.request(`/${number}`)
      expect({ name, body, complete }).toEqual({ name, body: 'data: before\n\n', complete: true })
      const { reason, error, events } = await testbed.closeInfo(number)
      expect({ name, reason, events }).toEqual({ name, reason: 'error', events: 1 })
      // What cannot be looked at throws its own error.
      const { code = '' } = error as { code?: string }
      const expected = /proxy|getters/.test(name) ? /^/ : /^HF_ERR_EVENT_(INVALID|FIELD|DATA)$/
      expect(code).toMatch(expected)
    }
    await testbed.idle()
    expect(testbed.closed).toHaveLength(names.length)
    expect(testbed.logged).toHaveLength(names.length)
  })

  test('bytes of a Readable are named in the error', async () => {
    const testbed = await Testbed.everywhere({ executor })
    testbed.route('/', bytes, undefined)
    expect(await testbed.request('/')).toMatchObject({ body: '', complete: true })
    const { reason, error } = await testbed.closeInfo()
    expect({ reason, code: (error as { code: string }).code }).toEqual({
      reason: 'error',
      code: 'HF_ERR_EVENT_INVALID',
    })
    expect((error as Error).message).toContain('Buffer')
    await testbed.idle()
  })
})
