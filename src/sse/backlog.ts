/**
 * Whole blocks, as text or as UTF-8 bytes. A block is an event with the empty line at its end, or one line: a comment
 * or a `retry`.
 */
export type Chunk = string | Uint8Array

/**
 * Which events are dropped when more than `maxBuffered` bytes wait for a slow client.
 *
 * - `'drop-oldest'`: the oldest events
 * - `{ latest }`: events that a newer one of the same name (`event`) or the same `id` replaces; then the oldest
 */
export type DropPolicy = 'drop-oldest' | { readonly latest: 'event' | 'id' }

/**
 * The chunks that wait in a sink, in order.
 *
 * Before the first drop, chunks are stored as they came. From the first drop until the backlog is empty, single blocks
 * are stored under keys, so that a newer block replaces the older one with its key.
 */
export class Backlog {
  /**
   * In order. Those before `#next`, at most half, are taken already. (`shift()` would move the whole array each time.)
   */
  #chunks: Chunk[] = []
  #next = 0
  #bytes = 0
  /**
   * Blocks by key, in order; defined from the first drop until the backlog is empty. A number where nothing replaces.
   */
  #blocks: Map<string | number, Chunk> | undefined
  /** Key of the newest event in `#blocks`, which is never dropped. */
  #newest: string | number | undefined
  /** Its next entry is the oldest of `#blocks`. (A new iterator would first pass over all deleted entries.) */
  #oldest: Iterator<[key: string | number, block: Chunk]> | undefined
  #policy: DropPolicy = 'drop-oldest'
  #numbered = 0
  #dropped = 0

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Events dropped so far. */
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

  /** Removes and returns what waits, in order: all of it, or whole blocks until they are more than `most` bytes. */
  take(most: number = Infinity): Chunk[] {
    if (this.#bytes <= most) {
      const all = this.#blocks === undefined ? this.#chunks.slice(this.#next) : [...this.#blocks.values()]
      this.clear()
      return all
    }
    const taken: Chunk[] = []
    for (let left = most; left >= 0 && this.#bytes > 0;) {
      const chunk = this.#blocks === undefined ? this.#shiftChunk(left) : this.#shiftEntry(this.#blocks)[1]
      left -= byteLength(chunk)
      taken.push(chunk)
    }
    if (this.#bytes === 0) this.clear()
    return taken
  }

  /**
   * Drops events and comments until at most `most` bytes wait. The newest event and the newest `retry` always stay.
   * With `latest`, an event goes first when a newer one with its key waits, and so does each event that is added until
   * the backlog is empty. Then the oldest go.
   */
  drop(policy: DropPolicy, most: number): void {
    this.#policy = policy
    if (this.#blocks === undefined) {
      const chunks = this.#chunks.slice(this.#next)
      this.clear()
      const blocks = (this.#blocks = new Map<string | number, Chunk>())
      this.#oldest = blocks.entries()
      for (const chunk of chunks) this.#keep(chunk, blocks)
    }
    for (let unseen = this.#blocks.size; unseen > 0 && this.#bytes > most; unseen--) {
      const [key, block] = this.#shiftEntry(this.#blocks)
      // Both move to the end: only lines follow the newest event, and the place of a retry among events has no effect.
      if (key === this.#newest || key === RETRY) this.#put(key, block, this.#blocks)
      else this.#countDropped(block)
    }
    if (this.#bytes === 0) this.clear()
  }

  clear(): void {
    this.#chunks = []
    this.#next = 0
    this.#blocks = undefined
    this.#oldest = undefined
    this.#bytes = 0
  }

  /** Removes and returns the oldest chunk, or the first blocks of it that are together more than `most` bytes. */
  #shiftChunk(most: number): Chunk {
    const chunk = this.#chunks[this.#next] as Chunk
    const end = endOver(chunk, most)
    const isWhole = end === chunk.length
    const taken = isWhole ? chunk : cut(chunk, 0, end)
    // The array must not keep the memory of what was taken.
    this.#chunks[this.#next] = isWhole ? '' : cut(chunk, end)
    if (isWhole && ++this.#next * 2 > this.#chunks.length) {
      this.#chunks.splice(0, this.#next)
      this.#next = 0
    }
    this.#bytes -= byteLength(taken)
    return taken
  }

  #shiftEntry(blocks: Map<string | number, Chunk>): [key: string | number, block: Chunk] {
    const oldest = this.#oldest as Iterator<[key: string | number, block: Chunk]>
    const [key, block] = oldest.next().value as [string | number, Chunk]
    blocks.delete(key)
    this.#bytes -= byteLength(block)
    return [key, block]
  }

  #keep(chunk: Chunk, blocks: Map<string | number, Chunk>): void {
    for (const block of split(chunk)) {
      const key = this.#keyOf(block) ?? this.#numbered++
      const older = blocks.get(key)
      if (older !== undefined) {
        blocks.delete(key)
        this.#bytes -= byteLength(older)
        this.#countDropped(older)
      }
      if (isEvent(block)) this.#newest = key
      this.#put(key, alone(block), blocks)
    }
  }

  #put(key: string | number, block: Chunk, blocks: Map<string | number, Chunk>): void {
    blocks.set(key, block)
    this.#bytes += byteLength(block)
  }

  #keyOf(block: Chunk): string | undefined {
    if (startsWith(block, RETRY)) return RETRY
    return this.#policy === 'drop-oldest' ? undefined : keyOf(block, this.#policy.latest)
  }

  #countDropped(block: Chunk): void {
    if (isEvent(block)) this.#dropped++
  }
}

const byteLength = (chunk: Chunk): number =>
  typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength

const cut = (chunk: Chunk, from: number, to?: number): Chunk =>
  typeof chunk === 'string' ? chunk.slice(from, to) : chunk.subarray(from, to)

/** The same memory as a Buffer, which can search for text. */
const bufferOf = ({ buffer, byteOffset, byteLength: length }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, length)

const indexIn = (chunk: Chunk, text: string, from: number): number =>
  (typeof chunk === 'string' ? chunk : bufferOf(chunk)).indexOf(text, from)

const codeAt = (chunk: Chunk, at: number): number | undefined =>
  typeof chunk === 'string' ? chunk.charCodeAt(at) : chunk[at]

const startsWith = (chunk: Chunk, text: string, from = 0): boolean => {
  for (let at = 0; at < text.length; at++) if (codeAt(chunk, from + at) !== text.charCodeAt(at)) return false
  return true
}

/** The beginning of a `retry` line; also its key, because a newer `retry` replaces it. */
const RETRY = 'retry: '
const LINE_FEED = 0x0a

/** True where a line begins that no client dispatches: a comment, or a `retry` that is alone or only before data. */
const isLine = (chunk: Chunk, from: number): boolean =>
  startsWith(chunk, ':', from) || startsWith(chunk, RETRY, from)

const isEvent = (block: Chunk): boolean => !isLine(block, 0)

/** Memory of its own: a part of a batch would keep the whole batch, which may be a thousand times as long. */
const alone = (block: Chunk): Chunk =>
  typeof block === 'string' || block.byteLength === block.buffer.byteLength ? block : new Uint8Array(block)

/**
 * The end of the block that begins at `from`. The only empty line of an encoded event is its last. Lines before an
 * event are blocks of their own: they stay when the event is dropped or replaced.
 */
function endOfBlock(chunk: Chunk, from: number): number {
  if (!isLine(chunk, from)) return endAfter('\n\n', chunk, from)
  const end = endAfter('\n', chunk, from)
  // A custom executor may end its lines with an empty one.
  return codeAt(chunk, end) === LINE_FEED ? end + 1 : end
}

function endAfter(text: string, chunk: Chunk, from: number): number {
  const at = indexIn(chunk, text, from)
  return at === -1 ? chunk.length : at + text.length
}

/** The end of the first blocks that are together more than `most` bytes, or of all blocks. */
function endOver(chunk: Chunk, most: number): number {
  if (byteLength(chunk) <= most) return chunk.length
  let end = 0
  for (let bytes = 0; bytes <= most && end < chunk.length;) {
    const from = end
    end = endOfBlock(chunk, from)
    bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk.slice(from, end)) : end - from
  }
  return end
}

function* split(chunk: Chunk): Generator<Chunk, void, undefined> {
  for (let from = 0; from < chunk.length;) {
    const to = endOfBlock(chunk, from)
    yield from === 0 && to === chunk.length ? chunk : cut(chunk, from, to)
    from = to
  }
}

/** The key of an event, from its name or its id; undefined for a block that no newer one replaces. */
function keyOf(block: Chunk, field: 'event' | 'id'): string | undefined {
  // Data, which may be long, comes after all other fields: see encodeEvent().
  const data = startsWith(block, 'data') ? 0 : indexIn(block, '\ndata', 0)
  if (data === -1) return undefined
  const fields = cut(block, 0, data)
  const lines = (typeof fields === 'string' ? fields : bufferOf(fields).toString()).split('\n')
  const value = lines.findLast((line) => line.startsWith(`${field}: `))?.slice(field.length + 2)
  if (field === 'id') return value === undefined ? undefined : `id: ${value}`
  // A client dispatches an event without a name as `message` (HTML Living Standard, 9.2.6).
  return `event: ${value || 'message'}`
}

/** All chunks in one, as bytes. */
export function joinBytes(chunks: readonly Chunk[]): Buffer {
  if (chunks.every((chunk) => typeof chunk === 'string')) return Buffer.from(chunks.join(''))
  return Buffer.concat(chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)))
}
