// A server after a bundler, as docs/workers.md says: threads find its portable producers in the chunks.
import assert from 'node:assert/strict'
import { build } from 'esbuild'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const SOURCES = {
  'report.js': `
    import { isMainThread } from 'node:worker_threads'
    import { producer } from 'headfirst'
    export const report = producer(import.meta.url, async (stream) => void stream.send({ data: { isMainThread } }))`,
  'totals.js': `
    import { producer } from 'headfirst'
    export const sum = producer(import.meta.url, async (stream) => void stream.send('sum'), { name: 'sum' })
    export const mean = producer(import.meta.url, async (stream) => void stream.send('mean'), { name: 'mean' })`,
  'server.js': `
    import Fastify from 'fastify'
    import headfirst, { workers } from 'headfirst'
    import { report } from './report.js'
    import * as totals from './totals.js'
    const app = Fastify()
    await app.register(headfirst, { executor: 'threads', executors: { threads: workers({ threads: 1 }) } })
    const producers = { report, sum: totals.sum, mean: totals.mean }
    const bodies = {}
    for (const name in producers) app.get('/' + name, { sse: true }, async (_, reply) => reply.sse(producers[name]))
    for (const name in producers) bodies[name] = (await app.inject('/' + name)).body
    console.log(JSON.stringify(bodies))
    await app.close()`,
}

/** @type {string} */
let project

test.before(() => {
  project = mkdtempSync(join(tmpdir(), 'headfirst-bundle-'))
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  for (const [name, source] of Object.entries(SOURCES)) writeFileSync(join(project, name), source)
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(resolve('.'), join(project, 'node_modules/headfirst'))
  symlinkSync(resolve('node_modules/fastify'), join(project, 'node_modules/fastify'))
})

test.after(() => rmSync(project, { recursive: true, force: true }))

/**
 * What the server got from itself, by producer.
 *
 * @param {string} out
 * @param {import('esbuild').BuildOptions} options
 * @returns {Promise<Record<string, string>>}
 */
async function runBundled(out, options) {
  await build({
    absWorkingDir: project,
    outdir: out,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['headfirst', 'fastify'],
    ...options,
  })
  const { stdout } = await promisify(execFile)(process.execPath, [join(project, out, 'server.js')], {
    timeout: 60_000,
  })
  return JSON.parse(stdout)
}

void test('producers whose modules are entries of their own run on threads, also minified', async () => {
  const entryPoints = Object.keys(SOURCES)
  const bodies = await runBundled('split', { entryPoints, splitting: true, minify: true })
  assert.deepEqual(bodies, {
    report: 'data: {"isMainThread":false}\n\n',
    sum: 'data: sum\n\n',
    mean: 'data: mean\n\n',
  })
})

void test('producers that were bundled into the server itself are refused, and no second server starts', async () => {
  const bodies = await runBundled('joined', { entryPoints: ['server.js'] })
  for (const body of Object.values(bodies)) {
    assert.equal(JSON.parse(body).code, 'HF_ERR_PRODUCER_IN_ENTRY')
    assert.match(JSON.parse(body).message, /with a bundler/)
  }
})
