/**
 * How fast events become text, against the peers' encoders. A call is a batch, since one encoding takes about
 * as long as reading the clock; and what was encoded is counted as a client would count it.
 */
import { EventScanner } from '../../profiler/client/event-scanner.ts'
import { encoders, type Encoder, type FullEvent } from './encoders.ts'
import { inRounds, type Effort, type Subject } from './rounds.ts'

export interface EncodeRow {
  encoder: string
  /** `text`: 50 characters of data. `full`: event, id, and an object as data. */
  event: 'text' | 'full'
  eventsPerSecond: number
  /** Of the slowest and of the fastest round. */
  range: [number, number]
}

const BATCH = 200

/** Different ones, so that no compiler can encode once and use it again. */
const VARIANTS = 8
const TEXTS = Array.from(
  { length: VARIANTS },
  (_, index) => `${index}: a line of 50 characters, as a chat or a log has`,
)
const FULLS = Array.from({ length: VARIANTS }, (_, index): FullEvent => ({
  event: 'progress',
  id: `1700000000000-${index}`,
  data: { done: index, total: 1_000, label: 'reading the second file', ok: true },
}))

/** What is encoded is written here, as into a socket's buffer: V8 puts strings off until they are read. */
const WIRE = Buffer.allocUnsafe(1_024)

export async function measureEncode(effort: Effort): Promise<EncodeRow[]> {
  const rows: EncodeRow[] = []
  const all = await encoders()
  for (const event of ['text', 'full'] as const) {
    const subjects = await Promise.all(all.map(async (encoder) => subject(encoder, event)))
    for (const { name, meanMs, leastMs, mostMs } of await inRounds(subjects, effort)) {
      const perSecond = (ms: number): number => (BATCH * 1_000) / ms
      rows.push({
        encoder: name,
        event,
        eventsPerSecond: perSecond(meanMs),
        range: [perSecond(mostMs), perSecond(leastMs)],
      })
    }
  }
  return rows
}

async function subject(encoder: Encoder, event: 'text' | 'full'): Promise<Subject> {
  const encode = (index: number): string | Promise<string> =>
    event === 'text'
      ? encoder.text(TEXTS[index % VARIANTS] as string)
      : encoder.full(FULLS[index % VARIANTS] as FullEvent)
  const { name } = encoder
  const encoded = await encode(0)
  assertOneEvent(name, encoded)
  const check = (bytes: number): void => {
    if (bytes !== BATCH * encoded.length) throw new Error(`${name} has encoded ${bytes} bytes`)
  }
  if (encode(0) instanceof Promise) {
    return {
      name,
      async: true,
      async fn() {
        let bytes = 0
        for (let index = 0; index < BATCH; index++) bytes += WIRE.write(await encode(index))
        check(bytes)
      },
    }
  }
  return {
    name,
    async: false,
    fn() {
      let bytes = 0
      for (let index = 0; index < BATCH; index++) bytes += WIRE.write(encode(index) as string)
      check(bytes)
    },
  }
}

function assertOneEvent(name: string, encoded: string): void {
  const scanner = new EventScanner()
  const bytes = Buffer.from(encoded)
  scanner.scan(bytes, 0, bytes.length)
  if (scanner.events !== 1) throw new Error(`${name} has made ${scanner.events} events of one: ${encoded}`)
}
