import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { producer, type EventStream } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { runScript } from '../support/processes.ts'
import { one } from '../support/producers/closures.ts'
import { errorOf } from '../support/errors.ts'

/** A package whose main file is this one. */
function folderOf(main: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'headfirst-entry-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ main: relative(folder, main) }))
  return folder
}

describe('producer()', () => {
  const url = import.meta.url

  test.each<[unknown[], string]>([
    [[undefined, one], 'HF_ERR_OPTION_INVALID'],
    [['./report.ts', one], 'HF_ERR_OPTION_INVALID'],
    [['/tmp/report.ts', one], 'HF_ERR_OPTION_INVALID'],
    [[new URL(url), one], 'HF_ERR_OPTION_INVALID'],
    [[one], 'HF_ERR_OPTION_INVALID'],
    [[url], 'HF_ERR_PRODUCER_INVALID'],
    [[url, 'one'], 'HF_ERR_PRODUCER_INVALID'],
    [[url, one, { nam: 'one' }], 'HF_ERR_OPTION_UNKNOWN'],
    [[url, one, { name: 5 }], 'HF_ERR_OPTION_INVALID'],
    [[url, one, { name: '' }], 'HF_ERR_OPTION_INVALID'],
    [[url, one, { serializer: 'JSON' }], 'HF_ERR_OPTION_INVALID'],
    [[url, one, null], 'HF_ERR_OPTION_INVALID'],
    [[url, one, 'one'], 'HF_ERR_OPTION_INVALID'],
  ])('%o: %s', async (args, code) => {
    const error = await errorOf(() => (producer as (...some: unknown[]) => unknown)(...args))
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch('producer()')
  })

  test('absent options may be undefined', () => {
    expect(producer(url, one, { name: undefined, serializer: undefined } as never)).toBeTypeOf('function')
  })

  test('a portable producer runs on the executors of the server’s thread', async () => {
    const testbed = await Testbed.make()
    const portable = producer(url, async (stream: EventStream, input: { n: number }) => {
      stream.send({ data: input.n + 1 })
    })
    for (const executor of ['inline', 'microtask', 'deferred']) {
      testbed.app.get(`/${executor}`, { sse: { executor } }, async (_, reply) =>
        reply.sse(portable, { n: 1 }),
      )
    }
    for (const executor of ['inline', 'microtask', 'deferred']) {
      expect((await testbed.request(`/${executor}`)).body).toBe('data: 2\n\n')
    }
  })

  test.each([
    ['node server.js', (entry: string) => entry],
    ['node .', folderOf],
  ])(
    'one in the entry module of the process (%s) is refused by threads, and named',
    async (_, startedWith) => {
      const entry = startedWith(fileURLToPath(new URL('./portable-producers-entry.ts', import.meta.url)))
      // What has no entry module starts a second server, and waits for it.
      const answer = await runScript<Record<string, unknown>>(entry, { timeout: 15_000 })
      const { status, code, message, onInline, servers } = answer
      expect({ status, code, onInline, servers }).toEqual({
        status: 500,
        code: 'HF_ERR_PRODUCER_IN_ENTRY',
        onInline: 'data: one\n\n',
        servers: 1,
      })
      expect(message).toMatch('portable-producers-entry.ts')
      expect(message).toMatch('Move it to a module of its own')
    },
  )
})
