/**
 * The contract that every executor keeps, as tests: real server, real sockets, real threads.
 *
 * No clock decides anything here. What has to happen before something else is proven by making the later wait
 * for the earlier: a producer blocks its thread until the client, on a thread of its own, has got an event.
 */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { SseRouteOptions } from '../fastify/declarations.ts'
import headfirst from '../plugin.ts'
import type { Executor, ExecutorStats, Task } from '../runtime/executor.ts'
import type { CloseInfo } from '../runtime/close-info.ts'
import { checkOptions, milliseconds, type Rule } from '../runtime/option-rules.ts'
import type { Producer } from '../runtime/producer.ts'
import { encodeComment, encodeEvent } from '../sse/event.ts'
import type { EventStream } from '../sse/stream.ts'
import { Flag, makeFlags, until, untilRaised } from './flags.ts'
import { Observer, type Observed, type ObserverOptions } from './observer.ts'
import * as producers from './producers.ts'

/** A runner's `test` function: of `node:test`, vitest, or any that takes a name and an async function. */
export type TestFunction = (name: string, body: () => Promise<void>) => unknown

export interface ExecutorContractOptions {
  /**
   * Whether producers share the server's memory, so that a `SharedArrayBuffer` in their input works. Say `false` for
   * an executor that runs them in another process: promises that can only be observed from inside a producer are left
   * out then. Default `true`.
   */
  sharedMemory?: boolean
  /** After how long a promise that is neither kept nor broken counts as broken, in ms. Default 60000, from 1. */
  timeLimitMs?: number
}

const RULES: Readonly<Record<keyof ExecutorContractOptions, Rule>> = {
  sharedMemory: ['true or false', (value) => typeof value === 'boolean'],
  timeLimitMs: milliseconds(1),
}

/** Rejects when a promise takes too long: an executor that forgets a task would else hang the runner without a word. */
async function within(timeLimitMs: number, promise: string, kept: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const hint =
      'Look whether each task that run() gets comes to task.produce(), or to task.start() and then one of task.end(), task.fail() and task.lose().'
    const error = new Error(`Not within ${timeLimitMs} ms: ${promise}. ${hint}`)
    timer = setTimeout(() => reject(error), timeLimitMs)
  })
  try {
    await Promise.race([kept, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The name that the executor under test is registered under. */
const SUBJECT = 'subject'

/**
 * Declares the tests of the contract for one executor.
 *
 * @example
 * import { test } from 'node:test'
 * import { executorContract } from 'headfirst/testing'
 * executorContract('mine', () => mine(), test)
 *
 * @param name how the tests are called
 * @param make makes a new executor, for one test
 */
export function executorContract(
  name: string,
  make: () => Executor,
  test: TestFunction,
  settings: ExecutorContractOptions = {},
): void {
  const { sharedMemory = true, timeLimitMs = 60_000 } = checkOptions(settings, RULES, 'executorContract()')

  /** A promise that is tested with what any executor can carry. */
  const declare = (promise: string, body: (server: Server) => Promise<void>): void => {
    test(`${name}: ${promise}`, async () => {
      const server = new Server(make())
      try {
        await within(timeLimitMs, promise, body(server))
      } catch (error) {
        throw server.explain(error)
      } finally {
        await within(timeLimitMs, 'the server closes', server.close())
      }
    })
  }

  /** A promise that is tested with flags in shared memory. */
  const declareShared = (promise: string, body: (server: Server) => Promise<void>): void => {
    if (sharedMemory) declare(promise, body)
  }

  for (const flush of ['event', 'tick'] as const) {
    declare(`the same events in the same order, byte for byte, with flush "${flush}"`, async (server) => {
      const count = 500
      const path = await server.route(producers.varied, { count }, { flush })
      let expected = ''
      for (let n = 0; n < count; n++) {
        expected += encodeEvent(producers.variedEvent(n))
        if (n % 50 === 0) expected += encodeComment(`after ${n}`)
      }
      const { status, body, complete } = await server.receive(path)
      assert.deepEqual({ status, body, complete }, { status: 200, body: expected, complete: true })
      const info = await server.closed()
      assert.equal(info.reason, 'ended')
      assert.equal(info.events, count)
      assert.equal(info.bytes, Buffer.byteLength(expected))
    })
  }

  declareShared(
    'the head leaves before the producer starts, each event before send() returns',
    async (server) => {
      const flags = makeFlags()
      const path = await server.route(producers.blocking, { flags })
      const { body } = await server.receive(path, { flags })
      assert.equal(body, 'data: head seen\n\ndata: first seen\n\ndata: second seen\n\n')
    },
  )

  declare('the timings of a stream are in order', async (server) => {
    const path = await server.route(producers.numbers, { count: 1 })
    await server.receive(path)
    const { timings, executor } = await server.closed()
    const { admittedMs = NaN, headMs = NaN, startedMs = NaN, firstEventMs = NaN, closedMs } = timings
    const inOrder = [0, admittedMs, headMs, startedMs, firstEventMs, closedMs]
    assert.deepEqual(
      inOrder,
      inOrder.toSorted((a, b) => a - b),
    )
    assert.equal(executor, SUBJECT)
  })

  declare('a generator is sent to its end, at the pace of the client', async (server) => {
    const count = 20_000
    const path = await server.route(producers.numbers, { count })
    const { body } = await server.receive(path)
    const expected = Array.from({ length: count }, (_, n) => `data: ${n}\n\n`).join('')
    assert.equal(body === expected, true)
  })

  for (const [kind, producer] of [
    ['generator', producers.endless],
    ['async generator', producers.endlessAsync],
  ] as const) {
    declareShared(`a ${kind} is returned when the client leaves, and its finally runs`, async (server) => {
      const flags = makeFlags()
      const path = await server.route(producer, { flags }, { highWaterMark: 1_024 })
      const observer = await server.observe(path, { flags })
      await untilRaised(flags, Flag.EVENTS)
      observer.leave()
      await untilRaised(flags, Flag.FINALLY)
      assert.equal((await server.closed()).reason, 'client')
    })
  }

  declareShared('the signal aborts with the reason when the client leaves', async (server) => {
    const flags = makeFlags()
    const path = await server.route(producers.awaitingSignal, { flags, reason: 'client' })
    const observer = await server.observe(path, { flags })
    await untilRaised(flags, Flag.EVENTS)
    observer.leave()
    await untilRaised(flags, Flag.SEEN)
    assert.equal((await server.closed()).reason, 'client')
  })

  declareShared('a shutdown ends open streams with a farewell, and the signal says so', async (server) => {
    const flags = makeFlags()
    const path = await server.route(producers.awaitingSignal, { flags, reason: 'shutdown' })
    const observer = await server.observe(path, { flags })
    await untilRaised(flags, Flag.EVENTS)
    await server.stop()
    const { body, complete } = await observer.over()
    assert.match(body, /^data: waiting\n\n: .+\nretry: \d+\n$/)
    assert.equal(complete, true)
    assert.equal((await server.closed()).reason, 'shutdown')
    await untilRaised(flags, Flag.SEEN)
  })

  for (const producer of [producers.throwing, producers.throwingAtOnce]) {
    declare(
      `an error of the producer (${producer === producers.throwing ? 'later' : 'at once'}) ends the stream and leaks nothing`,
      async (server) => {
        const path = await server.route(producer, undefined)
        const { status, body, complete } = await server.receive(path)
        assert.deepEqual(
          { status, body, complete },
          { status: 200, body: 'data: before\n\n', complete: true },
        )
        const { reason, error } = await server.closed()
        assert.equal(reason, 'error')
        assert.equal((error as Error).message, 'secret')
        assert.equal((error as Error).name, 'TypeError')
      },
    )
  }

  declare('onError may send one last event, after those of the producer', async (server) => {
    const path = await server.route(producers.throwing, undefined, {
      onError: (error, stream) => stream.send({ event: 'failure', data: (error as { code: string }).code }),
    })
    const { body } = await server.receive(path)
    assert.equal(body, 'data: before\n\nevent: failure\ndata: E_SECRET\n\n')
    assert.equal((await server.closed()).reason, 'error')
  })

  declare('what is no event is refused with a code, and the stream lives on', async (server) => {
    const path = await server.route(producers.careless, undefined)
    const { body } = await server.receive(path)
    assert.deepEqual(body.split('\n\n').slice(0, -1), [
      'data: HF_ERR_EVENT_FIELD',
      'data: HF_ERR_EVENT_FIELD',
      'data: HF_ERR_EVENT_DATA',
      'data: HF_ERR_EVENT_DATA',
      'data: HF_ERR_EVENT_INVALID',
      'data: HF_ERR_EVENT_INVALID',
      'data: HF_ERR_EVENT_INVALID',
    ])
    assert.equal((await server.closed()).reason, 'ended')
  })

  declareShared('a producer that returns nothing goes on until it closes its stream', async (server) => {
    const flags = makeFlags()
    const path = await server.route(producers.subscribing, { flags, lastWord: 'bye' })
    const { body, complete } = await server.receive(path, { flags })
    assert.equal(body, 'data: tick 1\n\ndata: tick 2\n\ndata: tick 3\n\ndata: bye\n\n')
    assert.equal(complete, true)
    await untilRaised(flags, Flag.SEEN)
    assert.equal((await server.closed()).reason, 'ended')
  })

  declare('the producer gets its input and the Last-Event-ID', async (server) => {
    const input = { text: 'é', list: [1, { deep: null }] }
    const path = await server.route(producers.echoing, input)
    const headers = { 'last-event-id': Buffer.from('grün 7').toString('latin1') }
    const { body } = await server.receive(path, { headers })
    assert.equal(body, `event: grün 7\ndata: ${JSON.stringify(input)}\n\n`)
  })

  declare('the producer sees the context of its request, and logs with its id', async (server) => {
    const path = await server.route(producers.logging, undefined, { context: () => ({ tenant: { id: 7 } }) })
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const { body } = await server.receive(path, { headers: { traceparent } })
    const seen = JSON.parse(body.slice('data: '.length)) as { requestId: string }
    const { requestId } = seen
    assert.deepEqual(seen, { tenant: { id: 7 }, requestId, route: `GET ${path}`, traceparent })
    const own = server.lines.filter(({ reqId, by }) => reqId === requestId && by === 'producer')
    assert.deepEqual(
      own.map(({ level, msg, err }) => ({ level, msg, code: err?.code })),
      [
        { level: 30, msg: 'first', code: undefined },
        { level: 40, msg: 'second', code: undefined },
        { level: 50, msg: 'third', code: 'E_BAD' },
      ],
    )
  })

  declare(
    'a producer and all hooks find themselves in the async context of their request',
    async (server) => {
      /** What each hook found, and should have. */
      const found: { hook: string; expected: string; who: string | undefined }[] = []
      const look = (hook: string, request: FastifyRequest): void => {
        found.push({ hook, expected: whoOf(request), who: producers.identity.getStore() })
      }
      server.app.addHook('onRequest', (request, _reply, done) => {
        producers.identity.run(whoOf(request), done)
      })
      const options: SseRouteOptions = {
        context: (request) => ({ who: whoOf(request) }),
        onOpen: (_stream, request) => look('onOpen', request),
        onError: (_error, _stream, request) => look('onError', request),
        onClose: (_info, request) => look('onClose', request),
      }
      const ending = await server.route(producers.identifying, { fails: false }, options)
      const failing = await server.route(producers.identifying, { fails: true }, options)
      await server.listen()
      const clients = Array.from({ length: 10 }, async (_, n) => {
        const who = `client ${n}`
        const response = await fetch(server.url(n % 2 === 0 ? ending : failing), {
          headers: { 'x-who': who },
        })
        return { who, body: await response.text() }
      })
      for (const { who, body } of await Promise.all(clients)) {
        const events = body.split('\n\n').slice(0, -1)
        assert.equal(events.length, 4)
        for (const event of events) {
          const [, addressee, data] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? []
          assert.equal(addressee, who)
          const said = JSON.parse(data as string) as producers.Identified
          // Elsewhere a producer has its `stream.context`.
          assert.equal(said.who, said.at === producers.here ? who : null)
        }
      }
      await until(() => found.length === 25, 'all hooks')
      for (const { hook, expected, who } of found) assert.equal(who, expected, hook)
      // What a producer or the server says of a stream is written there too, for loggers that add what they find.
      const own = server.lines.filter(({ by }) => by === 'producer')
      assert.equal(own.length, 40)
      for (const { who, expected } of own) assert.equal(who, expected)
      const failures = server.lines.filter(({ msg }) => msg === 'event stream failed')
      assert.deepEqual(
        failures.map(({ who = '' }) => who).toSorted((a, b) => a.localeCompare(b)),
        [1, 3, 5, 7, 9].map((n) => `client ${n}`),
      )
    },
  )

  declareShared(
    'a client that does not read holds its producer back, and gets everything in the end',
    async (server) => {
      const flags = makeFlags()
      const [count, size] = [400, 65_536]
      const path = await server.route(producers.pacing, { flags, count, size }, { maxBuffered: 4_194_304 })
      const observer = await server.observe(path, { flags, paused: true })
      await untilRaised(flags, Flag.SEEN)
      observer.read()
      const { body, complete } = await observer.over()
      assert.equal(complete, true)
      const ids = [...body.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))
      assert.deepEqual(
        ids,
        Array.from({ length: count }, (_, n) => n),
      )
      assert.equal(body.length, ids.join('').length + count * ('id: \ndata: \n\n'.length + size))
      assert.equal((await server.closed()).reason, 'ended')
    },
  )

  declareShared('a stream whose client is too far behind is closed as overflow', async (server) => {
    const flags = makeFlags()
    const path = await server.route(producers.flooding, { flags }, { maxBuffered: 262_144 })
    await server.observe(path, { flags, paused: true })
    await untilRaised(flags, Flag.FINALLY)
    assert.equal((await server.closed()).reason, 'overflow')
  })

  declareShared('streams side by side get their own events, all of them', async (server) => {
    const flags = makeFlags()
    const words = Array.from({ length: 20 }, (_, n) => `w${n}`)
    const paths = []
    for (const word of words) paths.push(await server.route(producers.holding, { flags, word }))
    await server.listen()
    const bodies = paths.map(async (path) => (await fetch(server.url(path))).text())
    Atomics.store(flags, Flag.GO, 1)
    for (const [index, body] of (await Promise.all(bodies)).entries()) {
      const expected = Array.from({ length: 20 }, (_, n) => `data: ${words[index]} ${n}\n\n`).join('')
      assert.equal(body, expected)
    }
  })

  declare('every admit is followed by exactly one run or cancel', async (server) => {
    const calls = server.recordCalls()
    const flags = makeFlags()
    const used = await server.route(producers.numbers, { count: 1 })
    const throws = await server.route(producers.numbers, { count: 1 })
    const replaced = await server.route(producers.numbers, { count: 1 })
    const left = await server.route(producers.numbers, { count: 1 })
    const closes = await server.route(producers.numbers, { count: 1 }, { onOpen: closeAtOnce })
    const fails = await server.route(
      producers.numbers,
      { count: 1 },
      {
        onOpen: () => {
          throw new Error('told to')
        },
      },
    )
    let gone: (() => void) | undefined
    server.app.addHook('onSend', async (request, _reply, payload) => {
      if (request.url === throws && typeof payload !== 'string') throw new Error('told to')
      if (request.url === replaced) return 'something else'
      if (request.url === left) await new Promise<void>((resolve) => (gone = resolve))
      return payload
    })
    await server.listen()
    const get = async (path: string): Promise<{ status: number; body: string }> => {
      const response = await fetch(server.url(path))
      return { status: response.status, body: await response.text() }
    }

    assert.deepEqual(await get(used), { status: 200, body: 'data: 0\n\n' })
    assert.equal((await get(throws)).status, 500)
    assert.deepEqual(await get(replaced), { status: 200, body: 'something else' })
    assert.deepEqual(await get(closes), { status: 200, body: '' })
    assert.deepEqual(await get(fails), { status: 200, body: '' })
    const observer = await server.observe(left, { flags })
    await until(() => gone !== undefined, 'the hook')
    observer.leave()
    await until(() => calls[left]?.length === 2, 'the executor to be told')
    gone?.()
    assert.deepEqual(await get(used), { status: 200, body: 'data: 0\n\n' })
    await server.idle()
    assert.deepEqual(calls, {
      [used]: ['admit', 'run', 'admit', 'run'],
      [throws]: ['admit', 'cancel: error'],
      [replaced]: ['admit', 'cancel: error'],
      [closes]: ['admit', 'cancel: ended'],
      [fails]: ['admit', 'cancel: error'],
      [left]: ['admit', 'cancel: client'],
    })
  })

  declareShared('nothing stays counted when streams are over', async (server) => {
    const flags = makeFlags()
    const ended = await server.route(producers.numbers, { count: 3 })
    const failed = await server.route(producers.throwing, undefined)
    const left = await server.route(producers.awaitingSignal, { flags, reason: 'client' })
    await server.receive(ended)
    await server.receive(failed)
    const observer = await server.observe(left, { flags })
    await untilRaised(flags, Flag.EVENTS)
    assert.equal(server.load().running, 1)
    observer.leave()
    await server.idle()
    const { running, waiting, admitted, refused, lost } = server.load()
    assert.deepEqual(
      { running, waiting, admitted, refused, lost },
      { running: 0, waiting: 0, admitted: 3, refused: 0, lost: 0 },
    )
    const { routes } = server.app.sse.stats()
    assert.deepEqual(
      Object.values(routes).map(({ open, opened, closed }) => ({ open, opened, closed })),
      [
        { open: 0, opened: 1, closed: { ended: 1 } },
        { open: 0, opened: 1, closed: { error: 1 } },
        { open: 0, opened: 1, closed: { client: 1 } },
      ],
    )
  })
}

const whoOf = (request: FastifyRequest): string => String(request.headers['x-who'])

const closeAtOnce = (stream: EventStream): void => stream.close()

interface LogEntry {
  level: number
  msg?: string
  reqId?: string
  by?: string
  /** Whose request it was where the line was written. */
  who?: string
  expected?: string
  err?: { code: string; message: string }
}

/** An app with the executor under test, a route per producer, and what `onClose` was told. */
class Server {
  /** What the server has logged. */
  readonly lines: LogEntry[] = []
  readonly app: FastifyInstance = Fastify({
    logger: {
      level: 'info',
      mixin: () => ({ who: producers.identity.getStore() }),
      stream: { write: (line: string) => void this.lines.push(JSON.parse(line)) },
    },
  })
  #executor: Executor
  readonly #infos: CloseInfo[] = []
  readonly #observers: Observer[] = []
  #registered = false
  #routes = 0
  #stopping: Promise<void> | undefined

  constructor(executor: Executor) {
    this.#executor = executor
  }

  /** Adds a route, and answers its path. All routes come before the first observer. */
  async route<Input>(
    producer: Producer<Input>,
    input: Input,
    options: SseRouteOptions = {},
  ): Promise<string> {
    if (!this.#registered) {
      await this.app.register(headfirst, {
        executors: { [SUBJECT]: this.#executor },
        executor: SUBJECT,
        onClose: (info) => this.#infos.push(info),
      })
      this.#registered = true
    }
    const path = `/${this.#routes++}`
    this.app.get(path, { sse: options }, async (_request, reply) =>
      reply.sse(producer as Producer<unknown>, input),
    )
    return path
  }

  async listen(): Promise<void> {
    if (!this.app.server.listening) await this.app.listen({ port: 0, host: '127.0.0.1' })
  }

  /** Opens a stream, on a thread of its own. */
  async observe(path: string, options?: ObserverOptions): Promise<Observer> {
    await this.listen()
    const observer = new Observer(this.#port, path, options)
    this.#observers.push(observer)
    return observer
  }

  /** Opens a stream, and reads it to its end. */
  async receive(path: string, options?: ObserverOptions): Promise<Observed> {
    const observer = await this.observe(path, options)
    return observer.over()
  }

  /** By path: how the executor is called about its streams. To be called before the first route is added. */
  recordCalls(): Record<string, string[]> {
    const calls: Record<string, string[]> = {}
    const executor = this.#executor
    const note = ({ route }: Task, call: string): void => {
      const path = route.slice('GET '.length)
      calls[path] = [...(calls[path] ?? []), call]
    }
    this.#executor = {
      ...(executor.mayBlock !== undefined && { mayBlock: executor.mayBlock }),
      ...(executor.compresses !== undefined && { compresses: executor.compresses }),
      prepare: (task) => executor.prepare?.(task),
      admit: async (task, load) => {
        await executor.admit?.(task, load)
        note(task, 'admit')
      },
      run: (task) => {
        note(task, 'run')
        return executor.run(task)
      },
      cancel: (task, reason) => {
        note(task, `cancel: ${reason}`)
        executor.cancel?.(task, reason)
      },
      close: (graceMs) => executor.close?.(graceMs),
    }
    return calls
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.#port}${path}`
  }

  /** A failure, with what the server has logged of it: a `run()` that throws is seen nowhere else. */
  explain(failure: unknown): unknown {
    const { err } = this.lines.find(({ msg }) => msg === 'event stream failed') ?? {}
    if (failure instanceof Error && err !== undefined) {
      failure.message += `\nThe server has logged: ${err.message}`
    }
    return failure
  }

  /** What `onClose` was told: once, whatever happened. */
  async closed(): Promise<CloseInfo> {
    await until(() => this.#infos.length > 0, 'onClose')
    assert.equal(this.#infos.length, 1)
    return this.#infos[0] as CloseInfo
  }

  load(): ExecutorStats {
    return this.app.sse.stats().executors[SUBJECT] as ExecutorStats
  }

  /** Resolves when no producer runs or waits. */
  async idle(): Promise<void> {
    await until(() => this.load().running + this.load().waiting === 0, 'the executor to be idle')
  }

  /** Stops the app, not its clients. */
  async stop(): Promise<void> {
    await (this.#stopping ??= this.app.close())
  }

  async close(): Promise<void> {
    await this.stop()
    await Promise.all(this.#observers.map((observer) => observer.dismiss()))
  }

  get #port(): number {
    return (this.app.server.address() as AddressInfo).port
  }
}
