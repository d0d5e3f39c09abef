/** Executors that take their time to decide, before the head leaves, whether there is room. */
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { inline, type Executor, type ExecutorLoad } from '../../src/index.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'
import { turns } from '../support/waiting.ts'

/** One decision that an executor was asked for. */
interface Question {
  load: ExecutorLoad
  admit: () => void
  refuse: (error: unknown) => void
}

/** Runs producers as `inline` does, those that the test admits. */
class Asking {
  readonly questions: Question[] = []
  /** How the executor was called after its decisions. */
  readonly calls: string[] = []

  readonly executor: Executor = {
    admit: async (_task, load) =>
      new Promise<void>((admit, refuse) => this.questions.push({ load, admit, refuse })),
    run: (task) => {
      this.calls.push('run')
      return inline().run(task)
    },
    cancel: (_task, reason) => void this.calls.push(`cancel: ${reason}`),
  }

  async question(number = 0): Promise<Question> {
    await until(() => this.questions.length > number, `question ${number}`)
    return this.questions[number] as Question
  }
}

async function serve(): Promise<{ testbed: Testbed; asking: Asking; produced: () => number }> {
  const asking = new Asking()
  const testbed = await Testbed.make({ executor: 'asking', executors: { asking: asking.executor } })
  let produced = 0
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => {
      produced++
      stream.send('admitted')
    }),
  )
  return { testbed, asking, produced: () => produced }
}

const busy = (): Error => Object.assign(new Error('no room'), { statusCode: 503 })

describe('an executor whose admit() returns a promise', () => {
  test('holds the head back until it resolves', async () => {
    const { testbed, asking } = await serve()
    const client = await testbed.ask('/')
    const { admit } = await asking.question()
    expect(client.responses).toEqual([])
    expect(testbed.app.sse.stats().executors['asking']).toMatchObject({ waiting: 1, admitted: 0 })
    admit()
    expect(await client.response()).toMatchObject({ status: 200, body: 'data: admitted\n\n', complete: true })
    await testbed.idle()
    expect(asking.calls).toEqual(['run'])
    expect(testbed.app.sse.stats().executors['asking']).toMatchObject({ admitted: 1, refused: 0 })
  })

  test.each([
    [busy(), 503],
    ['no error', 500],
  ])('that rejects (%o) refuses the stream before its head', async (thrown, status) => {
    const { testbed, asking, produced } = await serve()
    const client = await testbed.ask('/')
    const { refuse } = await asking.question()
    refuse(thrown)
    expect((await client.response()).status).toBe(status)
    expect(produced()).toBe(0)
    expect(asking.calls).toEqual([])
    expect(testbed.app.sse.stats().executors['asking']).toMatchObject({ waiting: 0, admitted: 0, refused: 1 })
  })

  test('is told of streams that still wait for its decision', async () => {
    const { testbed, asking } = await serve()
    const clients = [await testbed.connect(), await testbed.connect()]
    for (const [number, client] of clients.entries()) {
      client.send(get('/'))
      const { load } = await asking.question(number)
      expect(load).toMatchObject({ running: 0, waiting: number })
    }
    for (const { admit } of asking.questions) admit()
    for (const client of clients) await client.response()
    await testbed.idle()
  })

  test.each(['admits', 'refuses'] as const)(
    'and %s when the client has left is told so once, at most',
    async (decision) => {
      const { testbed, asking, produced } = await serve()
      let connection: Socket | undefined
      testbed.app.server.on('connection', (socket: Socket) => (connection = socket))
      const client = await testbed.ask('/')
      const { admit, refuse } = await asking.question()
      client.destroy()
      await until(() => connection?.destroyed === true, 'the server to see it')
      expect(asking.calls).toEqual([])
      if (decision === 'admits') admit()
      else refuse(busy())
      await testbed.idle()
      expect(asking.calls).toEqual(decision === 'admits' ? ['cancel: client'] : [])
      expect(produced()).toBe(0)
      expect(testbed.closed).toEqual([])
      expect(testbed.logged).toEqual([])
    },
  )

  test('and resolves while the server closes gives the stream back', async () => {
    const { testbed, asking, produced } = await serve()
    const client = await testbed.ask('/')
    const { admit } = await asking.question()
    const closed = testbed.app.close()
    await turns()
    admit()
    expect((await client.response()).status).toBe(503)
    await closed
    expect(asking.calls).toEqual(['cancel: shutdown'])
    expect(produced()).toBe(0)
  })
})
