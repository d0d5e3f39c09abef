/** Text, or UTF-8 bytes: whole blocks (events or comments), each closed by an empty line. */
export type Chunk = string | Uint8Array

/**
 * What is dropped when too much waits for a slow client: the oldest events, or those that a newer one of the same
 * name (`event`) or `id` has made worthless.
 */
export type DropPolicy = 'drop-oldest' | { readonly latest: 'event' | 'id' }

const LINE_FEED = 10
const COLON = 58

/**
 * What waits in a sink, in order.
 *
 * As long as nothing has to be dropped it keeps chunks as they came. From the first drop until nothing waits any
 * more it keeps single blocks under keys, so that a newer one finds the one that it replaces.
 */
export class Backlog {
  #chunks: Chunk[] = []
  #bytes = 0
  /** Blocks by key, in order: set from the first drop until nothing waits. A block that nothing replaces has a number. */
  #blocks: Map<string | number, Chunk> | undefined
  #policy: DropPolicy = 'drop-oldest'
  #numbered = 0
  #dropped = 0

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Events that were dropped so far. */
  get dropped(): number {
    return this.#dropped
  }

  /** @param length of the chunk in bytes */
  add(chunk: Chunk, length: number): void {
    if (this.#blocks === undefined) {
      this.#chunks.push(chunk)
      this.#bytes += length
    } else {
      this.#keep(chunk, this.#blocks)
    }
  }

  /** Takes out what waits, in order: all of it, or chunks until they are more than `most` bytes. */
  take(most: number = Infinity): Chunk[] {
    if (this.#bytes <= most) {
      const all = this.#blocks === undefined ? this.#chunks : [...this.#blocks.values()]
      this.clear()
      return all
    }
    const taken: Chunk[] = []
    for (let bytes = 0; bytes <= most && this.#bytes > 0;) {
      const chunk = this.#shift()
      bytes += byteLength(chunk)
      taken.push(chunk)
    }
    return taken
  }

  /**
   * Drops events until at most `most` bytes wait, but never the newest block. With `latest`, first those for which
   * a newer one waits, also of what will be added until nothing waits any more; then the oldest.
   */
  drop(policy: DropPolicy, most: number): void {
    this.#policy = policy
    if (this.#blocks === undefined) {
      const chunks = this.#chunks
      this.#chunks = []
      this.#bytes = 0
      const blocks = (this.#blocks = new Map<string | number, Chunk>())
      for (const chunk of chunks) this.#keep(chunk, blocks)
    }
    while (this.#bytes > most && this.#blocks.size > 1) this.#countDropped(this.#shift())
  }

  clear(): void {
    this.#chunks = []
    this.#blocks = undefined
    this.#bytes = 0
  }

  #shift(): Chunk {
    const blocks = this.#blocks
    let chunk: Chunk
    if (blocks === undefined) {
      chunk = this.#chunks.shift() as Chunk
    } else {
      const [[key, oldest]] = blocks as unknown as [[string | number, Chunk]]
      blocks.delete(key)
      if (blocks.size === 0) this.#blocks = undefined
      chunk = oldest
    }
    this.#bytes -= byteLength(chunk)
    return chunk
  }

  #keep(chunk: Chunk, blocks: Map<string | number, Chunk>): void {
    for (const block of split(chunk)) {
      const key = (this.#policy !== 'drop-oldest' && keyOf(block, this.#policy.latest)) || this.#numbered++
      const older = blocks.get(key)
      if (older !== undefined) {
        blocks.delete(key)
        this.#bytes -= byteLength(older)
        this.#countDropped(older)
      }
      blocks.set(key, block)
      this.#bytes += byteLength(block)
    }
  }

  #countDropped(block: Chunk): void {
    if (!isComment(block)) this.#dropped++
  }
}

const byteLength = (chunk: Chunk): number =>
  typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength

const isComment = (block: Chunk): boolean =>
  (typeof block === 'string' ? block.charCodeAt(0) : block[0]) === COLON

/** Single blocks: an encoded event holds no empty line but the one at its end. */
function* split(chunk: Chunk): Generator<Chunk, void, undefined> {
  const end = typeof chunk === 'string' ? chunk.length : chunk.byteLength
  for (let from = 0; from < end;) {
    let to = endOfBlock(chunk, from)
    if (to === -1) to = end
    if (from === 0 && to === end) yield chunk
    else yield typeof chunk === 'string' ? chunk.slice(from, to) : chunk.subarray(from, to)
    from = to
  }
}

/** Where the block that begins at `from` is over; -1 when its empty line is missing. */
function endOfBlock(chunk: Chunk, from: number): number {
  if (typeof chunk === 'string') {
    const at = chunk.indexOf('\n\n', from)
    return at === -1 ? -1 : at + 2
  }
  for (let at = chunk.indexOf(LINE_FEED, from); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) {
    if (chunk[at + 1] === LINE_FEED) return at + 2
  }
  return -1
}

/** The event's name or id; undefined for a block that no newer one replaces. */
function keyOf(block: Chunk, field: 'event' | 'id'): string | undefined {
  const text = typeof block === 'string' ? block : Buffer.from(block).toString()
  let hasData = false
  let name = ''
  let id: string | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('data')) {
      hasData = true
      break
    }
    if (line.startsWith('event: ')) name = line.slice(7)
    else if (line.startsWith('id: ')) id = line.slice(4)
  }
  if (!hasData) return undefined
  if (field === 'id') return id === undefined ? undefined : `id: ${id}`
  // A client calls an event without a name a `message` (HTML Living Standard, 9.2.6).
  return `event: ${name === '' ? 'message' : name}`
}
