import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Modules, type LoadFailure } from '../../../src/executors/workers/modules.ts'
import { moduleKey } from '../../../src/executors/elsewhere/portable.ts'
import { producer, type PortableProducer } from '../../../src/index.ts'
import { exitsAtImport } from '../../support/modules/exits-on-thread.ts'
import { unawaited } from '../../support/modules/makes-server-later.ts'
import { awaited } from '../../support/modules/makes-server.ts'
import { numbers, PoolTestbed } from '../../support/pool-testbed.ts'
import { throwsAtImport } from '../../support/modules/throws-on-thread.ts'
import { until } from '../../../src/testing/flags.ts'

const module = { module: 'file:///report.js', name: 'report' }
const key = moduleKey(module)
const broken: LoadFailure = { error: new Error('it is broken'), endedThread: false }

/** Modules whose threads are in the test's hand. */
class Asked {
  readonly calls: { alone: boolean; answer: (failure?: LoadFailure) => void; refuse: () => void }[] = []
  readonly modules = new Modules(
    async (_module, alone) =>
      new Promise((resolve, reject) => {
        this.calls.push({ alone, answer: resolve, refuse: () => reject(new Error('no thread')) })
      }),
  )

  check(): Promise<void> | undefined {
    return this.modules.check(module)
  }

  /** What checking throws, once nobody asks any more. */
  async refused(): Promise<unknown> {
    await new Promise((resolve) => setImmediate(resolve))
    try {
      await this.check()
    } catch (error) {
      return error
    }
    return undefined
  }
}

describe('the first stream of a producer', () => {
  test('waits until a thread without streams has loaded its module, and nobody else does', async () => {
    const asked = new Asked()
    const first = asked.check()
    expect([asked.calls.length, asked.calls[0]?.alone]).toEqual([1, true])
    expect(asked.check()).toBeUndefined()
    asked.calls[0]?.answer()
    await first
    expect(asked.check()).toBeUndefined()
    expect(asked.calls).toHaveLength(1)
  })

  test('is refused for what it fails of, as are the next', async () => {
    const asked = new Asked()
    const first = asked.check()
    asked.calls[0]?.answer(broken)
    await expect(first).rejects.toBe(broken.error)
    expect(await asked.refused()).toBe(broken.error)
    expect(asked.modules.failure(key)).toBe(broken.error)
  })

  test('goes on where no thread can be asked, and the next one asks', async () => {
    const asked = new Asked()
    const first = asked.check()
    asked.calls[0]?.refuse()
    await first
    void asked.check()
    expect(asked.calls).toHaveLength(2)
  })

  test('goes on where the thread takes long', async () => {
    const asked = new Asked()
    await asked.check()
    expect(asked.check()).toBeUndefined()
    asked.calls[0]?.answer(broken)
    expect(await asked.refused()).toBe(broken.error)
  })

  test('tells nothing where its thread ends before it has loaded it', async () => {
    const asked = new Asked()
    void asked.check()
    asked.modules.lost(key)
    void asked.check()
    expect(asked.calls).toHaveLength(2)
    asked.modules.loaded(key)
    asked.modules.lost(key)
    expect(asked.check()).toBeUndefined()
    expect(asked.calls).toHaveLength(2)
  })
})

describe('a module that has failed', () => {
  test('is asked for again and again, by one at a time, until a thread has loaded it', async () => {
    const asked = new Asked()
    asked.modules.failed(key, broken)
    for (const again of [broken, { ...broken, endedThread: true }, undefined]) {
      const { length } = asked.calls
      await until(() => {
        expect(() => asked.check()).toThrow('it is broken')
        return asked.calls.length > length
      }, 'somebody to ask')
      expect(() => asked.check()).toThrow('it is broken')
      expect(asked.calls).toHaveLength(length + 1)
      asked.calls[length]?.answer(again)
      await new Promise((resolve) => setImmediate(resolve))
    }
    // It has ended a thread the second time: the third has no other streams.
    expect(asked.calls.map(({ alone }) => alone)).toEqual([false, false, true])
    expect(asked.check()).toBeUndefined()
    expect(asked.modules.failure(key)).toBeUndefined()
  })

  test('is asked for later where no thread can be asked', async () => {
    const asked = new Asked()
    asked.modules.failed(key, broken)
    for (let round = 1; round <= 2; round++) {
      await until(() => {
        expect(() => asked.check()).toThrow('it is broken')
        return asked.calls.length === round
      }, 'somebody to ask')
      asked.calls[round - 1]?.refuse()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
})

describe('on a real pool', () => {
  test.each([
    ['throws', { throwsAtImport }, 'HF_ERR_PRODUCER_MODULE'],
    ['exits', { exitsAtImport }, 'HF_ERR_PRODUCER_MODULE'],
    ['makes a server, and waits for it', { awaited }, 'HF_ERR_SERVER_ON_THREAD'],
    ['makes a server, and does not wait for it', { unawaited }, 'HF_ERR_SERVER_ON_THREAD'],
  ])(
    'a module that %s on threads only is refused before the head, from the first client on',
    async (_, own, code) => {
      const testbed = await PoolTestbed.make({ producers: { ...own } })
      // On a busy machine threads may take longer to start than a first client waits.
      await testbed.serves()
      const [name] = Object.keys(own) as [string]
      for (let round = 0; round < 3; round++) {
        const client = testbed.request(name)
        expect((await client.response()).statusCode).toBe(500)
        expect(JSON.parse(await client.over())).toMatchObject({ code })
      }
      expect(testbed.logged.join()).not.toBe('')
      await testbed.serves()
      await testbed.idle()
    },
  )

  test('of two that come at once to one thread, what is wrong with one is not held against the other', async () => {
    const testbed = await PoolTestbed.make({ producers: { throwsAtImport, exitsAtImport } })
    for (const name of ['throwsAtImport', 'exitsAtImport']) {
      const refused = testbed.request(name)
      const good = testbed.request('count', { events: 3 })
      expect((await good.response()).statusCode).toBe(200)
      await good.over()
      expect(good.events).toEqual(numbers(3))
      await refused.over()
    }
    await testbed.idle()
  })

  test('where no thread is free to tell, the first may end as error after its head; the next are refused', async () => {
    const testbed = await PoolTestbed.make({
      producers: { throwsAtImport },
      workers: { streamsPerThread: 10 },
    })
    const neighbour = await testbed.open('staysIdle')
    await neighbour.got('data')
    const first = await testbed.open('throwsAtImport')
    expect(first.status).toBe(200)
    expect(await testbed.closeInfo(first)).toMatchObject({
      reason: 'error',
      error: {
        code: 'HF_ERR_PRODUCER_MODULE',
        cause: { message: expect.stringContaining('no thread for me') as string },
      },
    })
    const next = testbed.request('throwsAtImport')
    expect((await next.response()).statusCode).toBe(500)
    expect(JSON.parse(await next.over())).toMatchObject({ code: 'HF_ERR_PRODUCER_MODULE' })
    // The thread lives on, with all that it had.
    await testbed.serves()
    expect(testbed.pool.lost).toBe(0)
    neighbour.leave()
    await testbed.idle()
  })

  test('a module that is mended is loaded by a thread that starts later, and its streams are let in', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headfirst-module-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'mended.mjs')
    const write = (onThread: string): void =>
      writeFileSync(
        file,
        `import { producer } from ${JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href)}
        import { isMainThread } from 'node:worker_threads'
        if (!isMainThread && !('__vitest_worker__' in globalThis)) { ${onThread} }
        export const mended = producer(import.meta.url, async (stream) => void stream.send('mended'))`,
      )
    write('throw new Error("not yet")')
    const { href } = pathToFileURL(file)
    const mended: PortableProducer = producer(href, async () => {})
    const testbed = await PoolTestbed.make({ producers: { mended }, workers: { threads: 2 } })
    const refused = testbed.request('mended')
    expect((await refused.response()).statusCode).toBe(500)
    write('')
    let client = testbed.request('mended')
    while ((await client.response()).statusCode !== 200) {
      await client.over()
      client = testbed.request('mended')
    }
    await client.over()
    expect(client.events).toEqual(['mended'])
    // No thread that has failed is given one of its streams.
    for (let n = 0; n < 10; n++) {
      const another = await testbed.open('mended')
      await another.over()
      expect(another.events).toEqual(['mended'])
    }
    await testbed.idle()
  })
})
