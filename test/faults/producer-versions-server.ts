/**
 * A process of its own: serves producers of one name from several modules, and from modules whose files change, on
 * inline and on a thread. Prints what clients got.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import headfirst, { workers, type CloseInfo, type PortableProducer } from '../../src/index.ts'
import { openStream } from '../../src/testing/open-stream.ts'
import { until } from '../../src/testing/flags.ts'

/** What a client was sent, or the code of the error that its stream ended with, or that it was refused with. */
export type Versions = Record<string, { inline: string; workers: string }>

const source = new URL('../../src/index.ts', import.meta.url).href
/** A module with one producer, which tells its version, and one that ends its thread. */
const moduleText = (version: string): string => `
import { producer } from ${JSON.stringify(source)}
const version = ${JSON.stringify(version)} + new URL(import.meta.url).search
export const tells = producer(import.meta.url, async (stream) => void stream.send(version), { name: 'tells' })
export const dies = producer(import.meta.url, async () => process.exit(1), { name: 'dies' })
`

interface Module {
  tells: PortableProducer
  dies: PortableProducer
}

const folder = await mkdtemp(join(tmpdir(), 'headfirst-versions-'))
const load = async (path: string): Promise<Module> =>
  (await import(pathToFileURL(folder).href + path)) as Module
async function write(path: string, text: string): Promise<void> {
  await mkdir(join(folder, path, '..'), { recursive: true })
  await writeFile(join(folder, path), text)
}

await write('/v1/greets.mjs', moduleText('folder 1'))
await write('/v2/greets.mjs', moduleText('folder 2'))
await write('/greets.mjs', moduleText('file'))
await write('/changes.mjs', moduleText('old'))
const modules: Record<string, Module> = {
  'folder-1': await load('/v1/greets.mjs'),
  'folder-2': await load('/v2/greets.mjs'),
  'query-1': await load('/greets.mjs?v=1'),
  'query-2': await load('/greets.mjs?v=2'),
  changes: await load('/changes.mjs'),
}

const app = Fastify()
let closed: CloseInfo | undefined
await app.register(headfirst, {
  executors: { workers: workers({ threads: 1, streamsPerThread: 4, niceIncrement: 0 }) },
  onClose: (info) => void (closed = info),
})
for (const [name, { tells, dies }] of Object.entries(modules)) {
  for (const executor of ['inline', 'workers']) {
    app.get(`/${executor}/${name}`, { sse: { executor } }, async (_, reply) => reply.sse(tells))
  }
  app.get(`/dies/${name}`, { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(dies))
}

async function ask(path: string): Promise<string> {
  closed = undefined
  const stream = await openStream(app, { path })
  const event = await stream.next()
  await stream.closed
  if (stream.status !== 200) return `refused ${(JSON.parse(await stream.text()) as { code: string }).code}`
  await until(() => closed !== undefined, 'the close')
  const { reason, error } = closed as unknown as CloseInfo & { error?: { code?: string } }
  return event?.data ?? `${reason} ${error?.code}`
}

const versions: Versions = {}
async function note(what: string, name: string): Promise<void> {
  versions[what] = { inline: await ask(`/inline/${name}`), workers: await ask(`/workers/${name}`) }
}
/** Asks as clients do that come back, until one is told of what is there now. */
async function noteWhen(what: string, name: string, isTold: (told: string) => boolean): Promise<void> {
  let told = await ask(`/workers/${name}`)
  while (!isTold(told)) told = await ask(`/workers/${name}`)
  versions[what] = { inline: await ask(`/inline/${name}`), workers: told }
}
const newThread = async (): Promise<string> => ask('/dies/folder-1')

// Twice and in turns, so that one thread has them all.
for (const round of [1, 2]) {
  for (const name of Object.keys(modules)) if (name !== 'changes') await note(`${name}, round ${round}`, name)
}
await note('before the change', 'changes')
await write('/changes.mjs', moduleText('new'))
await note('after the change, on the same thread', 'changes')
await newThread()
await note('after the change, on a new thread', 'changes')
await write('/changes.mjs', 'export const nothing = 0')
await newThread()
await note('without the producer, on a new thread', 'changes')
await write('/changes.mjs', 'this is no JavaScript')
await newThread()
await noteWhen('broken, on a new thread', 'changes', (told) => told.endsWith('HF_ERR_PRODUCER_MODULE'))
await note('another one, on that thread', 'folder-2')
await write('/changes.mjs', moduleText('mended'))
await newThread()
await noteWhen('mended, on a new thread', 'changes', (told) => !told.startsWith('refused'))

await app.close()
await rm(folder, { recursive: true })
process.stdout.write(JSON.stringify(versions))
