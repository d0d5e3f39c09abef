import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import Fastify, { type FastifyInstance } from 'fastify'
import { onTestFinished } from 'vitest'
import { allocateCredit, Debtor } from '../../../src/executors/workers/credit.ts'
import type { Hello, Notice } from '../../../src/executors/workers/protocol.ts'
import { allocateRing, RingWriter } from '../../../src/executors/workers/ring.ts'
import { Running } from '../../../src/executors/workers/running.ts'
import { Thread } from '../../../src/executors/workers/thread.ts'
import headfirst, { type CloseInfo, type SseRouteOptions, type Task } from '../../../src/index.ts'
import { get, RawClient } from '../../support/raw-client.ts'

/** A stream of a real app, whose task a thread was given. */
export interface PlayedStream {
  number: number
  client: RawClient
  task: Task
  running: Running
  /** Its credit, as its worker sees it. */
  debtor: Debtor
  /** How it was closed; undefined as long as it is open. */
  readonly closed: CloseInfo | undefined
}

/** What the worker runs until it is told to block, and then until the word that it is told is no longer 0. */
const IDLE_WORKER = `
  const { parentPort } = require('node:worker_threads')
  parentPort.on('message', (word) => {
    parentPort.postMessage('blocked')
    Atomics.wait(word, 0, 0)
  })`

/**
 * A thread of a pool, whose ring is written by the test, on the thread that reads it: so what is there, and what the
 * reader does, is known at every moment. Its worker is real, and does nothing.
 */
export class PlayedThread {
  readonly app: FastifyInstance
  readonly worker: Worker
  readonly thread: Thread
  readonly memory: SharedArrayBuffer = allocateRing(1_048_576)
  readonly credit: SharedArrayBuffer = allocateCredit(4)
  /** Of a ring without a doorbell the reader hears nothing. */
  bell = true
  /** How often the doorbell was rung. */
  bells = 0
  readonly ring: RingWriter
  /** The worker's end, and the server's. */
  readonly port: MessagePort
  readonly serverPort: MessagePort
  /** Streams that were told of on the worker's end. */
  readonly notices: number[] = []
  readonly started: Running[] = []
  readonly done: Running[] = []
  /** Called for each of them. */
  onDone: (() => void) | undefined
  readonly unloaded: Running[] = []
  readonly orphaned: (readonly Running[])[] = []
  /** Of each stream, by its number. */
  readonly #closed = new Map<unknown, CloseInfo>()
  /** Lines of the server's log. */
  readonly logged: Record<string, unknown>[] = []
  readonly #tasks: Task[] = []
  #streamCount = 0

  private constructor(worker: Worker) {
    const stream = {
      write: (line: string) => void this.logged.push(JSON.parse(line) as Record<string, unknown>),
    }
    this.app = Fastify({ logger: { level: 'info', stream } })
    this.worker = worker
    this.thread = new Thread(worker, {
      started: (running) => this.started.push(running),
      done: (running) => {
        this.done.push(running)
        this.onDone?.()
      },
      unloaded: (running) => this.unloaded.push(running),
      orphaned: (streams) => this.orphaned.push(streams),
    })
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    this.serverPort = port2
    port1.on('message', ({ stream: number }: Notice) => this.notices.push(number))
    // What a worker's port would not keep alive here either.
    port1.unref()
    this.ring = new RingWriter(this.memory, () => {
      this.bells++
      if (this.bell) port1.postMessage(null)
    })
  }

  /** A thread that is ready. */
  static async make(route: SseRouteOptions = {}): Promise<PlayedThread> {
    const played = await PlayedThread.started(route)
    played.thread.greet(played.hello)
    return played
  }

  /** One that has not been greeted by its worker. */
  static async started(route: SseRouteOptions = {}): Promise<PlayedThread> {
    const worker = new Worker(IDLE_WORKER, { eval: true, execArgv: [] })
    await once(worker, 'online')
    const played = new PlayedThread(worker)
    const { app } = played
    await app.register(headfirst, {
      executor: 'played',
      executors: { played: { compresses: true, run: (task) => void played.#tasks.push(task) } },
    })
    const sse: SseRouteOptions = {
      ...route,
      onClose: (info, { id }) => void played.#closed.set(id, info),
    }
    app.get('/', { sse }, async (_, reply) => reply.sse(() => {}))
    await app.listen({ port: 0, host: '127.0.0.1' })
    onTestFinished(async () => {
      played.thread.bury(new Error('the test is over'))
      await app.close()
      await worker.terminate()
      played.port.close()
    })
    return played
  }

  get hello(): Hello {
    const { memory: ring, credit, serverPort: port } = this
    return { ring, credit, port }
  }

  /** Opens a stream, and gives it to the thread. */
  async open(headers: Record<string, string> = {}): Promise<PlayedStream> {
    const give = await this.prepare(headers)
    return give()
  }

  /** Opens a stream. Call what this resolves with to give it to the thread. */
  async prepare(headers: Record<string, string> = {}): Promise<() => PlayedStream> {
    const client = await RawClient.connect((this.app.server.address() as AddressInfo).port)
    client.send(get('/', headers))
    await client.head()
    const task = this.#tasks.shift() as Task
    return () => this.#give(client, task)
  }

  #give(client: RawClient, task: Task): PlayedStream {
    const cell = this.thread.takeCell()
    const number = ++this.#streamCount
    const running = new Running(task, Infinity, { stream: number, cell, credit: this.thread.credit(cell) })
    this.thread.give(running)
    const closed = this.#closed
    return {
      number,
      client,
      task,
      running,
      debtor: new Debtor(this.credit, cell),
      get closed() {
        return closed.get(task.context.requestId)
      },
    }
  }

  /** One event of a stream, as its worker sends it. */
  send({ number, debtor }: PlayedStream, data: string): void {
    const event = `data: ${data}\n\n`
    const length = Buffer.byteLength(event)
    debtor.written(length)
    this.ring.writeText(number, event, length, 1)
  }
}
