import { mkdtempSync, rmSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { checkPortable, findProducer } from '../../../src/executors/elsewhere/portable.ts'
import { producer, type PortableProducer } from '../../../src/index.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headfirst-portable-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What `producer()` marks a function with, in a module that can import nothing. */
const MARK = `const mark = (name) => {
  const fn = () => {}
  return Object.defineProperty(fn, Symbol.for('headfirst.portable'), { value: { module: import.meta.url, name } })
}
`

let files = 0

/** A module of its own; answers its URL. */
function write(text: string, name = `module-${files++}.mjs`): string {
  const path = join(folder, name)
  writeFileSync(path, MARK + text)
  return pathToFileURL(path).href
}

interface Checked {
  module: string
  name?: string
  input?: unknown
  context?: object
}

const subject = async ({ module, name, input, context = {} }: Checked): Promise<void> =>
  checkPortable({
    producer: producer(module, () => {}, name === undefined ? {} : { name }) as PortableProducer<never>,
    input,
    context: { requestId: 'req-1', route: 'GET /', ...context },
    route: 'GET /report',
    executor: 'pool',
  })

const thrown = (code: string, message: string): object =>
  expect.objectContaining({ code, message: expect.stringContaining(message) as string }) as object

/** How often something was looked up in the exports of a module that counts it. */
const looks = (): unknown => (globalThis as { portableLooks?: unknown }).portableLooks

/** With a copy of the code that has not looked yet, in a process that was started so. */
async function checked(started: string | undefined, module: string): Promise<void> {
  const { argv } = process
  onTestFinished(() => void (process.argv = argv))
  process.argv = started === undefined ? argv.slice(0, 1) : [argv[0] as string, started]
  vi.resetModules()
  const fresh = await import('../../../src/executors/elsewhere/portable.ts')
  await fresh.checkPortable({
    producer: producer(module, () => {}),
    input: undefined,
    context: { requestId: 'req-1', route: 'GET /' },
    route: 'GET /report',
    executor: 'pool',
  })
}

describe('a producer is found', () => {
  test('by the name of its export, before one that was given that name', async () => {
    const module = write(
      `export const other = mark('wanted'); export const wanted = mark('x'); export const no = 1`,
    )
    const { wanted } = (await import(module)) as { wanted: unknown }
    expect(await findProducer({ module, name: 'wanted' })).toBe(wanted)
  })

  test('by the name that it was given, where the export has another one', async () => {
    const module = write(
      `const a = mark('one'); const b = mark('two'); export { a as x, b as y }; export const one = () => {}`,
    )
    const { y } = (await import(module)) as { y: unknown }
    expect(await findProducer({ module, name: 'two' })).toBe(y)
    await expect(findProducer({ module, name: 'a' })).rejects.toThrow('producers are: x, y')
  })

  test('without a name, where it is the only one, under as many names as it likes', async () => {
    const module = write(`export const a = mark(); export default a; export const helper = () => {}`)
    const { a } = (await import(module)) as { a: unknown }
    expect(await findProducer({ module, name: undefined })).toBe(a)
  })

  test.each<[what: string, text: string, name: string | undefined, code: string, message: string]>([
    [
      'none of that name',
      `export const a = mark('a'); export const b = mark('b'); export const c = () => {}`,
      'c',
      'HF_ERR_PRODUCER_NOT_EXPORTED',
      'No exported producer "c" was found in FILE. Export it from that module (its producers are: a, b);',
    ],
    [
      'none at all',
      `export const c = () => {}`,
      undefined,
      'HF_ERR_PRODUCER_NOT_EXPORTED',
      'No exported producer without a name was found in FILE. Export it from that module (its producers are: none);',
    ],
    [
      'several, and no name',
      `export const a = mark(); export const b = mark()`,
      undefined,
      'HF_ERR_PRODUCER_AMBIGUOUS',
      'Module FILE exports several producers (a, b), so',
    ],
    [
      'a module that does not load',
      `throw new Error('no database')`,
      undefined,
      'HF_ERR_PRODUCER_MODULE',
      "The producer's module FILE did not load on the server's thread.",
    ],
  ])('and not where there is %s; who it concerns gets no path', async (_, text, name, code, message) => {
    const file = `wrong-${files++}.mjs`
    const module = write(text, file)
    const error = await findProducer({ module, name }).catch((reason: unknown) => reason as Error)
    expect(error).toMatchObject({ code, module })
    expect((error as Error).message).toContain(message.replace('FILE', file))
  })

  test('and what a module throws is the cause', async () => {
    const module = write(`throw new Error('no database')`)
    await expect(findProducer({ module, name: 'a' })).rejects.toMatchObject({
      cause: { message: 'no database' },
    })
  })

  test('and a module that is no file is named by its protocol', async () => {
    const module = 'data:text/javascript,export%20const%20secret%20=%201'
    const message = 'was found in data:…. Export'
    await expect(findProducer({ module, name: 'a' })).rejects.toThrow(message)
  })
})

describe('before the head', () => {
  test('a module is looked at once for each name that is asked for', async () => {
    const module = write(`
      globalThis.portableLooks = 0
      const looked = (fn) => new Proxy(fn, { get(target, key) { globalThis.portableLooks++; return target[key] } })
      export const a = looked(mark('a'))
      export const b = looked(mark('b'))`)
    await subject({ module, name: 'a' })
    const first = looks()
    expect(first).toBeGreaterThan(0)
    await subject({ module, name: 'a' })
    expect(looks()).toBe(first)
    await subject({ module, name: 'b' })
    expect(looks()).toBeGreaterThan(first as number)
    // What was not found is looked for again.
    for (let times = 0; times < 2; times++) {
      await expect(subject({ module, name: 'c' })).rejects.toThrow('"c"')
    }
    await expect(subject({ module })).rejects.toEqual(thrown('HF_ERR_PRODUCER_AMBIGUOUS', 'a, b'))
  })

  test('a closure is refused', () => {
    expect(() =>
      checkPortable({
        producer: () => {},
        input: undefined,
        context: { requestId: 'req-1', route: 'GET /' },
        route: 'GET /report',
        executor: 'pool',
      }),
    ).toThrow(thrown('HF_ERR_PRODUCER_NOT_PORTABLE', 'Route GET /report runs on executor "pool"'))
  })

  test.each<[what: string, given: Partial<Checked>, path: string]>([
    ['a function', { input: () => {} }, 'input'],
    ['an object with a function in it', { input: { deep: [() => {}] } }, 'input.deep[0]'],
    ['a function in the context', { context: { user: () => {} } }, 'context.user'],
  ])('what can’t be cloned is refused: %s', async (_, given, path) => {
    const module = write(`export const a = mark()`)
    const error = await subject({ module, ...given }).catch((reason: unknown) => reason)
    expect(error).toEqual(thrown('HF_ERR_INPUT_NOT_CLONEABLE', `as they are: ${path} is a function. Pass`))
    expect((error as Error).message).toMatch('Route GET /report cannot')
  })

  test.each([[undefined], [null], ['text'], [5n], [{ deep: [new Map([[1, new Date(0)]])] }]])(
    'what can be cloned is not: %s',
    async (input) => {
      const module = write(`export const a = mark()`)
      await expect(subject({ module, input, context: { user: input } })).resolves.toBeUndefined()
    },
  )
})

describe('a producer in the module that Node was started with is refused', () => {
  test.each([
    ['a file', 'entry-1.mjs', 'entry-1.mjs'],
    ['one without its extension (.js)', 'entry-2.js', 'entry-2'],
    ['one without its extension (.mjs)', 'entry-3.mjs', 'entry-3'],
    ['one without its extension (.ts)', 'entry-4.ts', 'entry-4'],
    ['one without its extension (.mts)', 'entry-5.mts', 'entry-5'],
  ])('%s', async (_, file, started) => {
    const module = write(`export const a = mark()`, file)
    const error = await checked(join(folder, started), module).catch((reason: unknown) => reason)
    expect(error).toEqual(
      thrown('HF_ERR_PRODUCER_IN_ENTRY', `stands in the entry module of this process (${file})`),
    )
    expect(error).toMatchObject({ module })
  })

  test('a folder, by a link', async () => {
    mkdirSync(join(folder, 'app'))
    writeFileSync(join(folder, 'app', 'package.json'), '{ "main": "main.mjs" }')
    symlinkSync(join(folder, 'app'), join(folder, 'link'))
    const module = write(`export const a = mark()`, 'app/main.mjs')
    await expect(checked(join(folder, 'link'), module)).rejects.toEqual(
      thrown('HF_ERR_PRODUCER_IN_ENTRY', 'main.mjs'),
    )
  })

  test('and no other', async () => {
    const module = write(`export const a = mark()`)
    write('', 'entry-6.mjs')
    await checked(join(folder, 'entry-6.mjs'), module)
    await checked(join(folder, 'nowhere'), module)
    await checked(undefined, module)
    // What is no file is never it.
    await expect(checked(join(folder, 'entry-6.mjs'), 'data:text/javascript,1')).rejects.toEqual(
      thrown('HF_ERR_PRODUCER_NOT_EXPORTED', 'data:…'),
    )
  })
})
