import { HF_ERR_EXECUTOR_UNKNOWN, HF_ERR_OPTION_INVALID } from '../errors.ts'
import { ClosingSessions } from '../sse/closing-sessions.ts'
import { encodeComment, encodeRetry } from '../sse/event.ts'
import { Clients, Seat } from './clients.ts'
import type { Connection } from './connection.ts'
import type { ExecutorSlot } from './executor-slot.ts'
import type { ExecutorStats } from './executor.ts'
import type { RouteOptions } from './options.ts'
import type { Observation } from './observation.ts'
import { checkRouteOptions, resolveOptions } from './resolve-options.ts'
import { Route, type RouteStats } from './route.ts'

/** What `app.sse.stats()` answers. */
export interface Stats {
  executors: Record<string, ExecutorStats>
  routes: Record<string, RouteStats>
}

const DEFAULT_GRACE_MS = 5_000

/** One registration: its executors, its routes and their open connections. A nested one inherits executors by name. */
export class Scope<Request> {
  readonly #parent: Scope<Request> | undefined
  readonly #defaults: RouteOptions<Request>
  readonly #slots: ReadonlyMap<string, ExecutorSlot>
  readonly #routes = new Map<string, Route<Request>>()
  readonly #connections = new Set<Connection<Request>>()
  /** Nested registrations: they are closed with this one. */
  readonly #children: Scope<Request>[] = []
  readonly #graceMs: number
  readonly #sessions = new ClosingSessions()
  /** Of all registrations of an app together. */
  readonly #clients: Clients
  /** Undefined without subscribers; nested registrations have that of the outermost. */
  observation: Observation | undefined
  #closing = false
  #onEmpty: (() => void) | undefined

  /** @throws HF_ERR_EXECUTOR_UNKNOWN when the default executor is none of the scope's */
  constructor(
    parent: Scope<Request> | undefined,
    defaults: RouteOptions<Request>,
    executors: readonly ExecutorSlot[],
    graceMs: number = parent === undefined ? DEFAULT_GRACE_MS : parent.#graceMs,
  ) {
    this.#parent = parent
    this.#graceMs = graceMs
    this.#clients = parent === undefined ? new Clients() : parent.#clients
    this.#defaults = defaults
    this.#slots = new Map(executors.map((slot) => [slot.name, slot]))
    if (defaults.executor !== undefined) this.#executor(defaults.executor, "headfirst's options")
    resolveOptions("headfirst's options", ...this.#layers())
  }

  /** @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID, HF_ERR_EXECUTOR_UNKNOWN */
  addRoute(name: string, options: RouteOptions<Request>): Route<Request> {
    const place = `route ${name}`
    const resolved = resolveOptions(place, ...this.#layers(), checkRouteOptions(options, place))
    const slot = this.#executor(resolved.executor, place)
    if (resolved.overflow === 'block' && slot.executor.mayBlock !== true) {
      const expected = `"close", since producers on "${slot.name}" have no thread to spare`
      throw new HF_ERR_OPTION_INVALID('overflow', place, expected, '"block"')
    }
    const route = new Route(name, resolved, slot, this.#routes.get(name)?.stats)
    if (!name.startsWith('HEAD ')) this.#routes.set(name, route)
    return route
  }

  add(connection: Connection<Request>): void {
    this.#connections.add(connection)
    if (this.#closing) connection.shutDown('')
    connection.begin()
  }

  /** @param client undefined for one without a limit, as `most` for a route without one */
  seat(client: string | undefined, most: number | undefined): Seat | undefined {
    return client === undefined || most === undefined ? undefined : new Seat(this.#clients, client, most)
  }

  delete(connection: Connection<Request>): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  stats(): Stats {
    const executors = [...this.#slots.values()].map((slot) => [slot.name, slot.stats()] as const)
    const routes = [...this.#routes].map(
      ([name, { stats }]) => [name, { ...stats, closed: { ...stats.closed } }] as const,
    )
    return { executors: Object.fromEntries(executors), routes: Object.fromEntries(routes) }
  }

  /** Takes a nested registration in, to close it with this one. */
  adopt(child: Scope<Request>): void {
    this.#children.push(child)
  }

  /**
   * Ends every stream, with a `retry` that keeps browsers from coming back before this server is gone, and stops the
   * executors; those of nested registrations likewise. Resolves when all is over, or when their grace is.
   *
   * @returns the producers that still run, as `executor: route`
   * @throws what an executor's `close()` has thrown, when everything else is over
   */
  async close(): Promise<string[]> {
    const scopes = this.#family()
    // The server is gone when the longest grace is over.
    const graceMs = Math.max(...scopes.map((scope) => scope.#graceMs))
    // Before the first executor is stopped: it may run streams of a nested registration.
    for (const scope of scopes) scope.#endStreams(graceMs)
    const stopped = scopes.map(async (scope) => scope.#stop())
    // One that fails does not keep the others from their end.
    await Promise.allSettled(stopped)
    return (await Promise.all(stopped)).flat()
  }

  #family(): Scope<Request>[] {
    return [this, ...this.#children.flatMap((child) => child.#family())]
  }

  /** @param graceMs clients stay away at least so long */
  #endStreams(graceMs: number): void {
    this.#closing = true
    const atLeastMs = graceMs + 1_000
    for (const connection of this.#connections) {
      const retryMs = atLeastMs + Math.floor(Math.random() * atLeastMs)
      connection.shutDown(encodeComment('the server is closing') + encodeRetry(retryMs))
      this.#sessions.close(connection.response)
    }
  }

  async #stop(): Promise<string[]> {
    const slots = [...this.#slots.values()]
    const failures: unknown[] = []
    const closed = slots.map(async ({ executor }) => {
      try {
        await executor.close?.(this.#graceMs)
      } catch (error) {
        failures.push(error)
      }
    })
    // The server goes on closing only after producers that obey their signal have run their `finally`.
    const over = Promise.all([
      this.#emptied(),
      this.#sessions.closed(),
      ...slots.map(async (slot) => slot.idle()),
      ...closed,
    ])
    let timer: NodeJS.Timeout | undefined
    await Promise.race([over, new Promise((resolve) => (timer = setTimeout(resolve, this.#graceMs)))])
    clearTimeout(timer)
    for (const connection of this.#connections) connection.destroy()
    this.#sessions.destroy()
    if (failures.length > 0) throw failures[0]
    return slots.flatMap(({ name, running }) => [...running].map(({ route }) => `${name}: ${route}`))
  }

  /** Resolves when no connection is open. */
  async #emptied(): Promise<void> {
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve))
  }

  /** Defaults of a route: outer registrations first. */
  #layers(): RouteOptions<Request>[] {
    return [...(this.#parent === undefined ? [] : this.#parent.#layers()), this.#defaults]
  }

  #executor(name: string, place: string): ExecutorSlot {
    const slot = this.#find(name)
    if (slot !== undefined) return slot
    throw new HF_ERR_EXECUTOR_UNKNOWN(name, place, this.#executorNames().join(', '))
  }

  #find(name: string): ExecutorSlot | undefined {
    const slot = this.#slots.get(name)
    if (slot !== undefined || this.#parent === undefined) return slot
    return this.#parent.#find(name)
  }

  #executorNames(): string[] {
    return [
      ...new Set([
        ...(this.#parent === undefined ? [] : this.#parent.#executorNames()),
        ...this.#slots.keys(),
      ]),
    ]
  }
}
