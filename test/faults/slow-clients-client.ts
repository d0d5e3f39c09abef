/**
 * A process of its own: a client of several streams, to be stopped and continued, or killed. Says `open` when each has
 * its first event, and prints in the end what came, as JSON.
 */
import { openStream } from '../../src/testing/open-stream.ts'

export interface Poured {
  ids: number[]
  last: number | undefined
  complete: boolean
}

const [port = '', paths = ''] = process.argv.slice(2)
let open = 0
const poured: Record<string, Poured> = {}

async function read(path: string): Promise<void> {
  const stream = await openStream(`http://127.0.0.1:${port}${path}`)
  const ids: number[] = []
  let last: number | undefined
  for await (const { event, id, data } of stream.events) {
    if (ids.push(Number(id)) === 1 && ++open === paths.split(',').length) process.stdout.write('open\n')
    if (event === 'last') last = Number(data)
  }
  poured[path] = { ids, last, complete: (await stream.closed).complete }
}

await Promise.all(paths.split(',').map(read))
process.stdout.write(`${JSON.stringify(poured)}\n`)
