/** Text, or UTF-8 bytes: whole blocks, each an event up to its empty line, or one line: a comment or a `retry`. */
export type Chunk = string | Uint8Array

/**
 * What is dropped when too much waits for a slow client: the oldest events, or those that a newer one of the same
 * name (`event`) or `id` has made worthless.
 */
export type DropPolicy = 'drop-oldest' | { readonly latest: 'event' | 'id' }

/**
 * What waits in a sink, in order.
 *
 * As long as nothing has to be dropped it keeps chunks as they came. From the first drop until nothing waits any
 * more it keeps single blocks under keys, so that a newer one finds the one that it replaces.
 */
export class Backlog {
  /** In order; those before `#next`, at most half, are gone. (Each shift of a long array would move all of it.) */
  #chunks: Chunk[] = []
  #next = 0
  #bytes = 0
  /** Blocks by key, in order: set from the first drop until nothing waits. A block that nothing replaces has a number. */
  #blocks: Map<string | number, Chunk> | undefined
  /** Key of the newest event in `#blocks`, which is not dropped. */
  #newest: string | number | undefined
  /** Stands before the oldest of `#blocks`. (Each walk from the map's start would pass all that was deleted.) */
  #oldest: Iterator<[key: string | number, block: Chunk]> | undefined
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

  /** Takes out what waits, in order: all of it, or whole blocks until they are more than `most` bytes. */
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
   * Drops events and comments until at most `most` bytes wait, but neither the newest event nor the newest `retry`.
   * With `latest`, first those for which a newer one waits, also of what will be added until nothing waits any more;
   * then the oldest.
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
      // Behind the newest event stands nothing but lines, and where among events a retry stands does not matter.
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

  /** Takes out the oldest chunk, or as much of it as is just over `most` bytes. */
  #shiftChunk(most: number): Chunk {
    const chunk = this.#chunks[this.#next] as Chunk
    const end = endOver(chunk, most)
    const isWhole = end === chunk.length
    const taken = isWhole ? chunk : cut(chunk, 0, end)
    // What is taken is held here no longer.
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

/** The same memory, with the search that text has. */
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

/** What a block that is a `retry` begins with; also its key, since a newer one replaces it. */
const RETRY = 'retry: '
const LINE_FEED = 0x0a

/** Comments are no events, nor is a `retry` alone: no client shows them. In an event a retry stands after an id or a name. */
const isLine = (chunk: Chunk, from: number): boolean =>
  startsWith(chunk, ':', from) || startsWith(chunk, RETRY, from)

const isEvent = (block: Chunk): boolean => !isLine(block, 0)

/** Bytes of their own: a part would keep all of the batch that it came in, which may be a thousand times as long. */
const alone = (block: Chunk): Chunk =>
  typeof block === 'string' || block.byteLength === block.buffer.byteLength ? block : new Uint8Array(block)

/**
 * Where the block that begins at `from` is over: an encoded event holds no empty line but the one at its end. Lines
 * before an event are blocks of their own, so that whatever replaces the event takes neither of them with it.
 */
function endOfBlock(chunk: Chunk, from: number): number {
  if (!isLine(chunk, from)) return endAfter('\n\n', chunk, from)
  const end = endAfter('\n', chunk, from)
  // An executor of the user's own may close its lines with an empty one.
  return codeAt(chunk, end) === LINE_FEED ? end + 1 : end
}

function endAfter(text: string, chunk: Chunk, from: number): number {
  const at = indexIn(chunk, text, from)
  return at === -1 ? chunk.length : at + text.length
}

/** Where the blocks end that are the first to be more than `most` bytes; or all of them. */
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

/** The event's name or id; undefined for a block that no newer one replaces. */
function keyOf(block: Chunk, field: 'event' | 'id'): string | undefined {
  // Data, which may be long, stands after all other fields: see encodeEvent().
  const data = startsWith(block, 'data') ? 0 : indexIn(block, '\ndata', 0)
  if (data === -1) return undefined
  const fields = cut(block, 0, data)
  const lines = (typeof fields === 'string' ? fields : bufferOf(fields).toString()).split('\n')
  const value = lines.findLast((line) => line.startsWith(`${field}: `))?.slice(field.length + 2)
  if (field === 'id') return value === undefined ? undefined : `id: ${value}`
  // A client calls an event without a name a `message` (HTML Living Standard, 9.2.6).
  return `event: ${value || 'message'}`
}
