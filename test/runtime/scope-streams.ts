import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Connection } from '../../src/runtime/connection.ts'
import { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import type { Executor, Task } from '../../src/runtime/executor.ts'
import type { RouteOptions } from '../../src/runtime/options.ts'
import { Scope } from '../../src/runtime/scope.ts'

export const slotOf = (name: string, executor: Partial<Executor> = {}): ExecutorSlot =>
  new ExecutorSlot(name, { run: () => {}, ...executor })

export interface Setup {
  parent?: Scope<string>
  defaults?: RouteOptions<string>
  slots?: ExecutorSlot[]
  graceMs?: number
}

export function scopeOf({
  parent,
  defaults = {},
  slots = [slotOf('inline')],
  graceMs,
}: Setup = {}): Scope<string> {
  const scope = new Scope(parent, defaults, slots, graceMs)
  parent?.adopt(scope)
  return scope
}

/** A connection, as its scope sees it, and all that this has called, in order. */
export class Stream {
  readonly calls: string[] = []
  readonly farewells: string[] = []
  readonly response: ServerResponse
  readonly #name: string
  readonly #log: string[]

  /** @param log where several write down what is called */
  constructor(name = 'stream', log: string[] = [], response?: ServerResponse) {
    this.#name = name
    this.#log = log
    this.response = response ?? new ServerResponse(new IncomingMessage(new Socket()))
  }

  #note(call: string): void {
    this.calls.push(call)
    this.#log.push(`${this.#name}: ${call}`)
  }

  begin(): void {
    this.#note('begin')
  }

  shutDown(farewell: string): void {
    this.farewells.push(farewell)
    this.#note('shut down')
  }

  destroy(): void {
    this.#note('destroy')
  }

  /** What a scope takes: it uses nothing else of a connection. */
  get connection(): Connection<string> {
    return this as never
  }
}

/** A stream that the scope has. */
export function open(scope: Scope<string>, ...args: ConstructorParameters<typeof Stream>): Stream {
  const stream = new Stream(...args)
  scope.add(stream.connection)
  return stream
}

/** A task that runs on a slot. */
export function run(slot: ExecutorSlot, route = 'GET /'): Task {
  const task = { route } as Task
  void slot.admit(task)
  slot.start(task)
  return task
}
