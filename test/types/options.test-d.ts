/* oxlint-disable vitest/expect-expect -- that it compiles, or does not, is what is asserted */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { describe, expectTypeOf, test } from 'vitest'
import headfirst, {
  inline,
  type CloseInfo,
  type CloseReason,
  type ElsewhereTask,
  type EventStream,
  type Executor,
  type ExecutorName,
  type Executors as ExecutorTable,
  type HereTask,
  type Stats,
  type StreamTimeoutError,
  type TaskSink,
} from '../../src/index.ts'

declare module '../../src/runtime/executor-name.ts' {
  interface Executors {
    reports: true
  }
}

declare const app: FastifyInstance

describe('options of a route', () => {
  test('true, false, or an object', () => {
    app.get('/', { sse: true }, () => {})
    app.get('/', { sse: false }, () => {})
    app.get('/', { sse: {} }, () => {})
    app.route({ method: 'GET', url: '/', sse: { flush: 'tick' }, handler: () => {} })
    // @ts-expect-error no word
    app.get('/', { sse: 'yes' }, () => {})
  })

  test('of a name that does not exist do not compile', () => {
    // @ts-expect-error unknown
    app.get('/', { sse: { heartbeat: 5 } }, () => {})
    // @ts-expect-error unknown
    app.route({ method: 'GET', url: '/', sse: { executer: 'inline' }, handler: () => {} })
  })

  test('of the wrong type do not compile', () => {
    // @ts-expect-error not a mode
    app.get('/', { sse: { flush: 'now' } }, () => {})
    // @ts-expect-error a number
    app.get('/', { sse: { heartbeatMs: '5' } }, () => {})
    // @ts-expect-error both bounds are needed
    app.get('/', { sse: { retryMs: { min: 5 } } }, () => {})
    // @ts-expect-error a number or bounds
    app.get('/', { sse: { retryMs: [1, 2] } }, () => {})
    // @ts-expect-error an object
    app.get('/', { sse: { timeouts: 5 } }, () => {})
    // @ts-expect-error unknown
    app.get('/', { sse: { timeouts: { idle: 5 } } }, () => {})
    // @ts-expect-error a number
    app.get('/', { sse: { timeouts: { idleMs: '5' } } }, () => {})
    // @ts-expect-error not a refusal
    app.get('/', { sse: { refusal: 503 } }, () => {})
    // @ts-expect-error an instance is no name
    app.get('/', { sse: { executor: inline() } }, () => {})
    // @ts-expect-error must return a string
    app.get('/', { sse: { serializer: () => 5 } }, () => {})
  })

  test('overflow: a word, or what of the newest is kept', () => {
    app.get('/', { sse: { overflow: 'close' } }, () => {})
    app.get('/', { sse: { overflow: 'block' } }, () => {})
    app.get('/', { sse: { overflow: 'drop-oldest' } }, () => {})
    app.get('/', { sse: { overflow: { latest: 'event' } } }, () => {})
    app.get('/', { sse: { overflow: { latest: 'id' } } }, () => {})
    // @ts-expect-error not a word
    app.get('/', { sse: { overflow: 'drop-newest' } }, () => {})
    // @ts-expect-error not a field
    app.get('/', { sse: { overflow: { latest: 'name' } } }, () => {})
    // @ts-expect-error more than one
    app.get('/', { sse: { overflow: { latest: 'id', oldest: true } } }, () => {})
    // @ts-expect-error nothing of it
    app.get('/', { sse: { overflow: {} } }, () => {})
  })

  test('compress: true, false, or codings', () => {
    app.get('/', { sse: { compress: true } }, () => {})
    app.get('/', { sse: { compress: false } }, () => {})
    app.get('/', { sse: { compress: { encodings: ['gzip', 'br', 'zstd'] } } }, () => {})
    const encodings = ['gzip'] as const
    app.get('/', { sse: { compress: { encodings } } }, () => {})
    // @ts-expect-error not a coding
    app.get('/', { sse: { compress: { encodings: ['deflate'] } } }, () => {})
    // @ts-expect-error a list
    app.get('/', { sse: { compress: { encodings: 'gzip' } } }, () => {})
    // @ts-expect-error unknown
    app.get('/', { sse: { compress: { encodings: ['gzip'], level: 9 } } }, () => {})
    // @ts-expect-error not a word
    app.get('/', { sse: { compress: 'gzip' } }, () => {})
  })

  test('what is told at the close counts what was dropped', () => {
    expectTypeOf<CloseInfo['dropped']>().toEqualTypeOf<number>()
  })

  test('hooks are told what they get', () => {
    app.get(
      '/',
      {
        sse: {
          onOpen(stream, request) {
            expectTypeOf(stream).toEqualTypeOf<EventStream>()
            expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
          },
          onClose(info, request) {
            expectTypeOf(info).toEqualTypeOf<CloseInfo>()
            expectTypeOf(info.reason).toEqualTypeOf<CloseReason>()
            expectTypeOf(info.timings.firstEventMs).toEqualTypeOf<number | undefined>()
            expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
          },
          onError(error, stream) {
            expectTypeOf(error).toEqualTypeOf<unknown>()
            expectTypeOf(stream).toEqualTypeOf<EventStream>()
          },
        },
      },
      () => {},
    )
  })
})

test('retry and time limits, in a route and in the plugin', async () => {
  app.get('/', { sse: { retryMs: 5, timeouts: {} } }, () => {})
  app.get('/', { sse: { retryMs: { min: 1, max: 5 }, timeouts: { idleMs: 5 } } }, () => {})
  await app.register(headfirst, {
    retryMs: { min: 1, max: 5 },
    timeouts: { firstEventMs: 1, idleMs: 2, totalMs: 3 },
  })
  expectTypeOf<StreamTimeoutError['timeout']>().toEqualTypeOf<
    'firstEventMs' | 'idleMs' | 'totalMs' | 'maxQueueWaitMs' | 'connectionTimeout'
  >()
  expectTypeOf<StreamTimeoutError['code']>().toEqualTypeOf<'HF_ERR_STREAM_TIMEOUT'>()
})

describe('options of the plugin', () => {
  test('defaults of routes, executors and the grace', async () => {
    await app.register(headfirst, {
      executor: 'inline',
      executors: { reports: inline() },
      graceMs: 5,
      retryMs: 1,
    })
    await app.register(headfirst)
  })

  test('of a name that does not exist do not compile', async () => {
    // @ts-expect-error unknown
    await app.register(headfirst, { executorz: {} })
    // @ts-expect-error a factory is no executor
    await app.register(headfirst, { executors: { reports: inline } })
    // @ts-expect-error a number
    await app.register(headfirst, { graceMs: '5' })
  })
})

describe('executor names', () => {
  test('are the built-in ones, those that were merged in, and any string', () => {
    expectTypeOf<keyof ExecutorTable>().toEqualTypeOf<
      'inline' | 'microtask' | 'deferred' | 'workers' | 'reports'
    >()
    expectTypeOf<'reports'>().toExtend<ExecutorName>()
    expectTypeOf<'else'>().toExtend<ExecutorName>()
    expectTypeOf<number>().not.toExtend<ExecutorName>()
  })
})

describe('an executor', () => {
  test('is an object with run()', () => {
    const own: Executor = {
      run(task) {
        expectTypeOf(task).toExtend<HereTask & ElsewhereTask>()
        expectTypeOf(task.sink).toEqualTypeOf<TaskSink>()
        void task.produce()
      },
    }
    expectTypeOf(own).toExtend<Executor>()
    // @ts-expect-error run is missing
    const none: Executor = { admit() {} }
    expectTypeOf(none).toEqualTypeOf<Executor>()
  })
})

test('app.sse.stats() is typed', () => {
  expectTypeOf(app.sse.stats()).toEqualTypeOf<Stats>()
  expectTypeOf(app.sse.stats().executors['x']?.threads).toEqualTypeOf<number | undefined>()
})
