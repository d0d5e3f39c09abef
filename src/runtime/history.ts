/** Long: half of it is what users read in their editor, and keys, ids and followers share one invariant. */
import { HF_ERR_EVENT_FIELD, HF_ERR_EVENT_TOO_LARGE, HF_ERR_OPTION_INVALID } from '../errors.ts'
import { EventRing } from '../sse/event-ring.ts'
import {
  encodeEvent,
  readFields,
  show,
  type EventFields,
  type EventInput,
  type Serializer,
} from '../sse/event.ts'
import { SharedEvent } from '../sse/shared-event.ts'
import type { EventStream } from '../sse/stream.ts'
import { checkOptions, whole, type Rule } from './option-rules.ts'

/** What a {@link History} takes: an event without an id, since it gives the ids itself. */
export type HistoryEvent = string | Omit<EventFields, 'id'>

/** What a follower has missed, because it is gone. */
export interface BehindInfo {
  /** The key that it follows. */
  key: string
  /**
   * Events that it will not get. `null` when that is not known: its Last-Event-ID is none of this key's history
   * (the server was restarted, the key was deleted or forgotten, or the id was made up).
   */
  missed: number | null
}

export interface HistoryOptions {
  /**
   * Events that are kept per key, from 1.
   *
   * @default 1000
   */
  maxEvents?: number
  /**
   * Bytes that are kept per key, of the events' text, from 1. Also the most that one event may have.
   *
   * @default 1048576
   */
  maxBytes?: number
  /**
   * Keys that are kept, from 1. Over that, keys without followers are forgotten: first those without any event, then
   * those that were not used for longest. Keys with followers stay, also where they are more.
   *
   * @default 10000
   */
  maxKeys?: number
  /**
   * Makes the event that a follower gets when it has missed some. What it throws ends that follower's stream as
   * `error`.
   *
   * @default `{ event: 'behind', data: { missed } }`
   */
  behind?: (info: BehindInfo) => HistoryEvent
  /**
   * Turns `data` that is not a string into one, once, when it is pushed.
   *
   * @default JSON.stringify
   */
  serializer?: Serializer
}

export interface FollowOptions {
  /**
   * Where a client goes on that has no place in the history, because it is new, its Last-Event-ID is unknown, or it
   * was too slow and its place is gone. `now`: with the events that are pushed from now on. `oldest`: with the oldest
   * event that is still there.
   *
   * @default 'now'
   */
  from?: 'now' | 'oldest'
  /**
   * The id of the last event that a new client has already, as {@link History.lastId} gave it. A Last-Event-ID that
   * the client sends is used in its place.
   */
  after?: string | undefined
}

/** What a history holds now. */
export interface HistoryStats {
  keys: number
  events: number
  /** Of the events' text. */
  bytes: number
  /** Streams that follow, also those of keys that have been deleted. */
  followers: number
  /** Those of them that have everything, and wait for the next event. */
  waiting: number
}

/** One key: its events, and its followers. */
interface Channel {
  readonly key: string
  readonly ring: EventRing<SharedEvent>
  /** Streams that hold a place in the ring. */
  followers: number
  /** Wakes the followers that have everything. */
  readonly waiting: Set<() => void>
  /** Nothing more will be pushed here: a follower that has everything is at the end. */
  deleted: boolean
}

const RULES: Readonly<Record<keyof HistoryOptions, Rule>> = {
  maxEvents: whole(1),
  maxBytes: whole(1),
  maxKeys: whole(1),
  behind: ['a function', (value) => typeof value === 'function'],
  serializer: ['a function', (value) => typeof value === 'function'],
}

const FOLLOW_RULES: Readonly<Record<keyof FollowOptions, Rule>> = {
  from: ["'now' or 'oldest'", (value) => value === 'now' || value === 'oldest'],
  after: ['an id, as a string', (value) => typeof value === 'string'],
}

/**
 * Keeps the last events of each key, and lets streams join them: first what a client has missed, then what comes,
 * without a hole and without a duplicate.
 *
 * A follower holds a place in the history, not a queue of its own. So a slow one costs no memory. If it is so slow that
 * its place is gone, it gets one event of that (see `behind`), and goes on.
 *
 * Two users who may not see each other's events need two keys. A history lives in the memory of one thread.
 *
 * @example
 * const history = new History()
 * history.push('room 1', { event: 'message', data: { text: 'hello' } })
 * app.get('/room', { sse: true }, (request, reply) => reply.sse(history.follow('room 1')))
 */
export class History {
  readonly #maxEvents: number
  readonly #maxBytes: number
  readonly #maxKeys: number
  readonly #behind: (info: BehindInfo) => HistoryEvent
  readonly #serializer: Serializer
  readonly #channels = new Map<string, Channel>()
  /** Those without followers, the least recently used first: never pushed to, and pushed to. */
  readonly #silent = new Set<Channel>()
  readonly #idle = new Set<Channel>()
  #followers = 0

  /** @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID */
  constructor(options: HistoryOptions = {}) {
    const checked = checkOptions(checkObject(options, 'new History()'), RULES, 'new History()')
    this.#maxEvents = checked.maxEvents ?? 1_000
    this.#maxBytes = checked.maxBytes ?? 1_048_576
    this.#maxKeys = checked.maxKeys ?? 10_000
    this.#behind = checked.behind ?? (({ missed }) => ({ event: 'behind', data: { missed } }))
    this.#serializer = checked.serializer ?? JSON.stringify
  }

  /**
   * Adds an event to the history of a key, and wakes its followers. It is serialized in this call: later changes of
   * `data` have no effect.
   *
   * @param key not empty
   * @returns the id that it was given
   * @throws HF_ERR_EVENT_INVALID, HF_ERR_EVENT_FIELD, HF_ERR_EVENT_DATA when it is no event, or has an id;
   *   HF_ERR_EVENT_TOO_LARGE when it alone is over `maxBytes`. Nothing is kept then.
   */
  push(key: string, event: HistoryEvent): string {
    checkKey(key, 'history.push()')
    const channel = this.#channels.get(key) ?? this.#make(key)
    const { ring } = channel
    const id = ring.id(ring.next)
    const shared = this.#share(event, id)
    if (shared.bytes > this.#maxBytes) throw new HF_ERR_EVENT_TOO_LARGE(shared.bytes, this.#maxBytes)
    this.#keep(channel)
    ring.push(shared)
    this.#touch(channel)
    for (const wake of channel.waiting) wake()
    channel.waiting.clear()
    return id
  }

  /**
   * A producer that sends what a key's history has after the client's Last-Event-ID, then what is pushed, at the pace
   * of the client, until the client leaves or the key is deleted. It can be used for any number of streams.
   *
   * A client that joins at `now` first gets an event with nothing but an id, so that it misses nothing if it is cut
   * before the first event. A browser shows no such event; some clients do: see docs/replay.md.
   *
   * Its generator may be wrapped in one of your own, which then filters or changes the events.
   *
   * @param key not empty
   * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
   */
  follow(
    key: string,
    options: FollowOptions = {},
  ): (stream: EventStream) => AsyncGenerator<EventInput, void> {
    checkKey(key, 'history.follow()')
    const { from = 'now', after } = checkOptions(
      checkObject(options, 'history.follow()'),
      FOLLOW_RULES,
      'history.follow()',
    )
    return (stream) => this.#follow(key, stream, from, after)
  }

  /**
   * The id of the last event of a key. For a client that first gets the state, and then the events after it:
   * `follow(key, { after })`. Of a key without events it is the id of the place before the first.
   *
   * @param key not empty
   */
  lastId(key: string): string {
    checkKey(key, 'history.lastId()')
    const channel = this.#channels.get(key) ?? this.#make(key)
    this.#keep(channel)
    this.#touch(channel)
    return channel.ring.id(channel.ring.next - 1)
  }

  /**
   * Forgets a key. Its followers get what was pushed before, then their streams end. What is pushed under the same key
   * later is a new history, in which the old ids are unknown.
   *
   * @returns false when there was no such key
   */
  delete(key: string): boolean {
    const channel = this.#channels.get(key)
    if (channel === undefined) return false
    this.#forget(channel)
    channel.deleted = true
    for (const wake of channel.waiting) wake()
    channel.waiting.clear()
    return true
  }

  stats(): HistoryStats {
    const stats = { keys: this.#channels.size, events: 0, bytes: 0, followers: this.#followers, waiting: 0 }
    for (const { ring, waiting } of this.#channels.values()) {
      stats.events += ring.next - ring.oldest
      stats.bytes += ring.bytes
      stats.waiting += waiting.size
    }
    return stats
  }

  async *#follow(
    key: string,
    stream: EventStream,
    from: 'now' | 'oldest',
    after: string | undefined,
  ): AsyncGenerator<EventInput, void> {
    const channel = this.#channels.get(key) ?? this.#make(key)
    const { ring } = channel
    let wake: (() => void) | undefined
    let following = true
    const leave = (): void => {
      if (!following) return
      following = false
      stream.signal.removeEventListener('abort', leave)
      this.#leave(channel)
      if (wake === undefined) return
      channel.waiting.delete(wake)
      wake()
    }
    this.#join(channel)
    // `finally` is not enough: a generator around this one may not return it.
    stream.signal.addEventListener('abort', leave)
    try {
      const last = stream.lastEventId ?? after
      /** The position of the next event for this client; undefined while it has none. */
      let cursor: number | undefined
      if (last === undefined) {
        cursor = this.#start(ring, from)
        if (cursor === ring.next) yield { id: ring.id(cursor - 1) }
      } else {
        const position = ring.position(last)
        if (position !== undefined) cursor = position + 1
      }
      while (!stream.closed) {
        if (cursor === undefined || cursor < ring.oldest) {
          const start = this.#start(ring, from)
          const behind = this.#behind({ key, missed: cursor === undefined ? null : start - cursor })
          cursor = start
          yield this.#share(behind, ring.id(cursor - 1))
        } else if (cursor < ring.next) {
          yield ring.at(cursor++)
        } else {
          if (channel.deleted) return
          await new Promise<void>((resolve) => {
            wake = resolve
            channel.waiting.add(resolve)
          })
        }
      }
    } finally {
      leave()
    }
  }

  #start(ring: EventRing<SharedEvent>, from: 'now' | 'oldest'): number {
    return from === 'now' ? ring.next : ring.oldest
  }

  /**
   * Checks an event, and makes a copy of it with an id, which no change of the event reaches.
   *
   * @throws HF_ERR_EVENT_INVALID, HF_ERR_EVENT_FIELD, HF_ERR_EVENT_DATA
   */
  #share(event: HistoryEvent, id: string): SharedEvent {
    const { id: own, ...fields } = readFields(event)
    if (own !== undefined) {
      throw new HF_ERR_EVENT_FIELD('id', 'left out, since a History gives the ids', show(own))
    }
    // With the id alone it would be an event, and is none without.
    if (Object.values(fields).every((value) => value === undefined)) encodeEvent(fields)
    return new SharedEvent({ ...fields, id }, this.#serializer)
  }

  /** A channel that is not kept yet. */
  #make(key: string): Channel {
    const ring = new EventRing<SharedEvent>(this.#maxEvents, this.#maxBytes)
    return { key, ring, followers: 0, waiting: new Set(), deleted: false }
  }

  /** Keeps a channel, if it is a new one; over `maxKeys` others are forgotten. */
  #keep(channel: Channel): void {
    if (this.#channels.has(channel.key)) return
    while (this.#channels.size >= this.#maxKeys) {
      const [least] = this.#silent.size > 0 ? this.#silent : this.#idle
      if (least === undefined) break
      this.#forget(least)
    }
    this.#channels.set(channel.key, channel)
  }

  #forget(channel: Channel): void {
    this.#channels.delete(channel.key)
    this.#silent.delete(channel)
    this.#idle.delete(channel)
  }

  /** The channel was used: it is the last of those that may be forgotten. */
  #touch(channel: Channel): void {
    this.#silent.delete(channel)
    this.#idle.delete(channel)
    if (channel.followers > 0 || channel.deleted) return
    if (channel.ring.next === 1) this.#silent.add(channel)
    else this.#idle.add(channel)
  }

  #join(channel: Channel): void {
    this.#keep(channel)
    channel.followers++
    this.#followers++
    this.#touch(channel)
  }

  #leave(channel: Channel): void {
    channel.followers--
    this.#followers--
    this.#touch(channel)
  }
}

/** With a missing key by mistake, clients of different keys would share one history. */
function checkKey(key: unknown, place: string): void {
  if (typeof key === 'string' && key !== '') return
  throw new HF_ERR_OPTION_INVALID('key', place, 'a string that is not empty', show(key))
}

function checkObject<Options extends object>(options: Options, place: string): Options {
  if (typeof options === 'object' && options !== null) return options
  throw new HF_ERR_OPTION_INVALID('options', place, 'an object', show(options))
}
