import type { EventSourceMessage } from 'eventsource-parser'
import { ParsedEvents } from '../../profiler/client/parsed-events.ts'
import type { Tally } from './tally.ts'
import { Visitor } from './visitor.ts'

interface FollowerPlan {
  port: number
  path: string
  /** Of one visit. */
  mostEvents: number
  random: () => number
}

/**
 * A client that follows a history, goes, and comes back with the id of its last event: the numbers go on where they
 * were.
 */
export class Follower {
  readonly #plan: FollowerPlan
  #lastId: string | undefined
  #last: number | undefined
  #ending = false

  constructor(plan: FollowerPlan) {
    this.#plan = plan
  }

  /** It goes with its next event. */
  end(): void {
    this.#ending = true
  }

  /** @returns what it has seen until it went */
  async visit(): Promise<Pick<Tally, 'left' | 'failed' | 'holes' | 'events'>> {
    const { port, path, mostEvents, random } = this.#plan
    const wanted = 1 + Math.floor(random() * mostEvents)
    let events = 0
    let holes = 0
    const body = new ParsedEvents((event) => {
      // What was under way when this client left is not its own any more.
      if (visitor.left) return
      if (!this.#follows(event)) holes++
      events++
      if (events >= wanted || this.#ending) visitor.leave(random() < 0.5)
    })
    const headers = this.#lastId === undefined ? [] : [`Last-Event-ID: ${this.#lastId}`]
    const visitor: Visitor = new Visitor({ port, path, headers, body })
    await visitor.over
    return { left: visitor.left ? 1 : 0, failed: visitor.left ? 0 : 1, holes, events }
  }

  /** Whether it is the one after the last. */
  #follows({ id, data, event }: EventSourceMessage): boolean {
    const number = Number(data)
    const follows = event === undefined && (this.#last === undefined || number === this.#last + 1)
    this.#last = number
    this.#lastId = id
    return follows
  }
}
