/**
 * The processes of a run: one generator, or some, for all of it, and a fresh server for each row.
 */
import { setPriority } from 'node:os'
import { beside, Remote } from '../../profiler/load/remote.ts'
import { Load } from '../load/load.ts'
import type { Contender, Work } from '../scenarios/contender.ts'
import { stepsPerMs } from '../servers/burn.ts'
import type { OwnExecutor } from '../servers/own-executor.ts'
import type { OwnProducer } from '../servers/own-producer.ts'
import { EVENT_BYTES, FRAME_BYTES } from '../servers/payload.ts'
import { PEERS } from '../servers/peers.ts'
import type { PeerPlan, RoutePlan, ServerPlan, ServerQuestions } from '../servers/server-plan.ts'
import { expectedOf } from './expected-events.ts'
import { TestServer } from './test-server.ts'

/**
 * How far the servers step back behind the generator, as a nice value. Clients of a real server have processors
 * of their own; here they share two cores with it, and a generator that has to queue for one behind the very
 * threads that it loads would be late. Lowering the server takes no privilege, raising the generator would.
 */
const SERVER_NICE = 5

const START_MS = 20_000
/** Streams of one worker thread that wait for timers. */
const TOGETHER = 1_000

export class Testbed {
  readonly #load: Load
  readonly own: OwnExecutor | undefined
  producer: OwnProducer | undefined
  readonly #stepsPerMs: number

  /** @param generators processes that make the load */
  constructor(own: OwnExecutor | undefined, generators: number) {
    this.own = own
    this.#load = new Load(generators)
    // All that this process starts from now on inherits it, with every thread.
    setPriority(SERVER_NICE)
    this.#stepsPerMs = stepsPerMs()
  }

  /** The contender's name as it is shown. */
  nameOf(contender: Contender | 'naive'): string {
    return contender === 'own' && this.own !== undefined ? this.own.name : contender
  }

  /** Starts a server, hands it over, and stops it. */
  async withServer<T>(plan: ServerPlan, measure: (server: TestServer) => Promise<T>): Promise<T> {
    return this.#with('server', plan, FRAME_BYTES, measure)
  }

  /** The same for a server of another library. */
  async withPeer<T>(plan: PeerPlan, measure: (server: TestServer) => Promise<T>): Promise<T> {
    return this.#with('peer-server', plan, PEERS[plan.peer].frameBytes, measure)
  }

  async #with<T>(
    name: string,
    plan: ServerPlan | PeerPlan,
    frameBytes: number,
    measure: (server: TestServer) => Promise<T>,
  ): Promise<T> {
    const remote = new Remote<ServerQuestions<ServerPlan | PeerPlan>>(
      beside(import.meta.url, `../servers/${name}`),
      ['--expose-gc'],
    )
    try {
      const { port, paths } = await remote.ask('start', plan, START_MS)
      const tls = 'tls' in plan && plan.tls
      return await measure(
        new TestServer(remote, this.#load, {
          main: { port, path: paths.main, tls, ...expectedOf(plan, frameBytes) },
          beside: { port, path: paths.beside, tls, ...expectedOf(plan.beside ?? plan, frameBytes) },
        }),
      )
    } finally {
      await remote.stop()
    }
  }

  /** What a server needs to run a contender's streams, that work for `blockMs` (but `idle`'s do not). */
  blockPlan(contender: Contender, blockMs: number, work: Work = 'compute'): ServerPlan {
    if (contender === 'idle') {
      return { executor: 'inline', module: undefined, flush: 'event', producer: { name: 'single' } }
    }
    const plan = { ...this.executorOf(contender), flush: 'event' } as const
    if (work === 'compute') return { ...plan, producer: this.blockFor(blockMs) }
    const together = { workers: { streamsPerThread: TOGETHER } }
    if (work === 'own') {
      if (this.producer === undefined) throw new Error('There is no producer of a user')
      const { url, waits } = this.producer
      return { ...plan, producer: { name: 'own', module: url }, ...(waits ? together : {}) }
    }
    const producer = { name: work === 'sleep' ? 'nap' : 'pause', input: { ms: blockMs } } as const
    // Streams that wait share a thread as they would share the server's.
    return { ...plan, producer, ...(work === 'wait' ? together : {}) }
  }

  /** A producer that computes for so long on an idle core. */
  blockFor(blockMs: number): RoutePlan['producer'] {
    return { name: 'block', input: { steps: Math.round(blockMs * this.#stepsPerMs) } }
  }

  ratePlan(contender: Contender, flush: ServerPlan['flush'], events: number): ServerPlan {
    const input = { events, data: 'string', eventBytes: EVENT_BYTES } as const
    return { ...this.executorOf(contender), flush, producer: { name: 'burst', input } }
  }

  executorOf(contender: Contender | 'naive'): Pick<ServerPlan, 'executor' | 'module'> {
    return { executor: this.nameOf(contender), module: contender === 'own' ? this.own?.url : undefined }
  }
}
