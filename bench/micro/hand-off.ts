/**
 * How long an executor takes from being handed a stream until its producer runs, with nothing else to do: the
 * time from the call of `run()` to the clock that the producer itself reads as its first act.
 *
 * The stream is the smallest that the contract allows: no HTTP, no socket. An executor on this thread calls
 * `produce()`; one on another thread runs the portable producer `stamp`, whose reading comes back in its sink.
 */
import { deferred, inline, microtask, workers, type Executor, type Task } from 'headfirst'
import { nowMs } from '../../profiler/clock.ts'
import { loadExecutor, type OwnExecutor } from '../servers/own-executor.ts'
import { stamp } from '../servers/producers.ts'
import { inRounds, type Effort, type Subject } from './rounds.ts'

export interface HandOffRow {
  executor: string
  /** The mean and the median of all calls, in µs: medians of the rounds. */
  meanUs: number
  p50Us: number
  samples: number
}

/** A producer that was not started by then never will be. */
const PATIENCE_MS = 10_000

export async function measureHandOff(own: OwnExecutor | undefined, effort: Effort): Promise<HandOffRow[]> {
  const executors: Record<string, Executor> = {
    inline: inline(),
    microtask: microtask(),
    deferred: deferred(),
    workers: workers({ threads: 1, streamsPerThread: 1 }),
    ...(own === undefined ? {} : { [own.name]: await loadExecutor(own.url) }),
  }
  const subjects = Object.entries(executors).map(([name, executor]) => subject(name, executor))
  try {
    // Threads start, and load the producer, with their first stream.
    for (const executor of Object.values(executors)) await handOff(executor)
    return (await inRounds(subjects, effort)).map(({ name, meanMs, p50Ms, samples }) => ({
      executor: name,
      meanUs: meanMs * 1_000,
      p50Us: p50Ms * 1_000,
      samples,
    }))
  } finally {
    await Promise.all(Object.values(executors).map(async (executor) => executor.close?.(0)))
  }
}

function subject(name: string, executor: Executor): Subject {
  return {
    name,
    async: true,
    async fn() {
      const began = nowMs()
      const overriddenDuration = await handOff(executor)
      // The way back is no part of the hand-off, but it takes its share of the time that the bench has.
      return { overriddenDuration, overriddenIterationCost: nowMs() - began }
    },
  }
}

/** @returns ms from the call of `run()` until the producer ran */
async function handOff(executor: Executor): Promise<number> {
  return new Promise((resolve, reject) => {
    let startedMs = NaN
    const timer = setTimeout(() => reject(new Error('The producer was not started')), PATIENCE_MS)
    const done = (): void => {
      clearTimeout(timer)
      if (Number.isNaN(startedMs)) reject(new Error('The producer has not sent its stamp'))
      else resolve(startedMs - handedMs)
    }
    const task = {
      executor: 'measured',
      route: 'GET /stream',
      producer: stamp,
      input: undefined,
      stream: { closed: false },
      sink: {
        closed: false,
        buffered: 0,
        write(chunk: string | Uint8Array) {
          startedMs = stampIn(chunk)
          return true
        },
        ready: async () => true,
        endTurn() {},
        end: done,
      },
      lastEventId: undefined,
      context: { requestId: 'measured', route: 'GET /stream' },
      log: { level: 'silent' },
      options: { highWaterMark: 65_536, maxBuffered: 1_048_576, overflow: 'close' },
      closed: false,
      produce() {
        startedMs = nowMs()
        done()
      },
      start() {},
      end: done,
      fail: reject,
      lose: reject,
      cut() {},
    }
    const handedMs = nowMs()
    executor.run(task as unknown as Task)?.catch(reject)
  })
}

function stampIn(chunk: string | Uint8Array): number {
  const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
  return Number(/^data: ([\d.]+)$/m.exec(text)?.[1])
}
