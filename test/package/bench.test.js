// The bench as a user runs it, in small: what it writes is what its schema says, and what it prints can be pasted.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readDocument, ROOT, runCompiled } from './compiled-bench.js'

const ONLY = 'block-5ms@1.5,events-per-second@tick,hand-off,way-back@string-event,held'

const scratch = mkdtempSync(join(tmpdir(), 'headfirst-bench-'))
const html = join(scratch, 'report.html')
const json = join(scratch, 'report.json')

after(() => rmSync(scratch, { recursive: true, force: true }))

/** @param {readonly string[]} args */
const bench = (args) => runCompiled('main.js', args, 120_000)

void test('a quick run writes a document after the schema, and the same as HTML', () => {
  const { status, stdout, stderr } = bench(['--quick', '--only', ONLY, '--html', html, '--json', json])
  assert.equal(status, 0, stderr)
  // Nobody watches.
  assert.equal(stderr, '')
  assert.ok(!stdout.includes('\u001B'))
  assert.match(stdout, /Every count agrees\.\n$/)

  const document = readDocument(json)
  assert.match(document.command, /^npm run bench -- --quick --only block-5ms@1\.5/)
  const kinds = new Set(document.blocks.map((/** @type {{ kind: string }} */ { kind }) => kind))
  assert.deepEqual(kinds, new Set(['text', 'table', 'percentiles']))
  // What was read from the file before it was a document.
  const { version, blocks, rates, held, handOff, figures, conclusions, invalid } = document.results
  assert.equal(version, 1)
  assert.equal(blocks.length, 5)
  assert.equal(blocks[0].samples.firstByteMs.length, blocks[0].arrivals)
  assert.ok(rates.length > 0 && handOff.length > 0 && figures.length > 0)
  assert.deepEqual([conclusions, invalid], [[], 0])
  assert.deepEqual(
    held.rows.map((/** @type {{ executor: string, streams: number }} */ { executor, streams }) => [
      executor,
      streams,
    ]),
    ['inline', 'workers'].flatMap((executor) => [0, 20, 40].map((streams) => [executor, streams])),
  )

  const page = readFileSync(html, 'utf8')
  assert.match(page, /^<!doctype html>/)
  assert.equal(page.match(/<figure/g)?.length, 1)
  assert.doesNotMatch(page, /<script|<link|https?:/)
})

void test('a picture of a quick run is refused', () => {
  const picture = join(scratch, 'picture.svg')
  const { status, stderr } = bench(['--quick', '--picture', picture])
  assert.equal(status, 2)
  assert.match(stderr, /--picture needs a run without --quick/)
  assert.ok(!existsSync(picture))
})

void test('a file that cannot be written is a usage error, before anything is measured', () => {
  const missing = join(scratch, 'missing')
  for (const option of ['--json', '--html', '--picture']) {
    for (const [file, why] of /** @type {const} */ ([
      [join(missing, 'file'), `there is no folder ${missing}. Make it first`],
      [scratch, 'it is a folder. Name a file in it'],
    ])) {
      const { status, stdout, stderr } = bench([option, file])
      assert.deepEqual([status, stdout], [2, ''])
      assert.equal(stderr.split('\n')[0], `${option}: can't write ${file}: ${why}`)
    }
  }
})

void test('the packed package has the profiler as its command, and needs no Fastify for it', async (t) => {
  const project = join(scratch, 'project')
  mkdirSync(project)
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], {
      cwd: ROOT,
      encoding: 'utf8',
    }),
  )
  writeFileSync(join(project, 'package.json'), '{ "private": true }')
  const options = ['--no-audit', '--no-fund', '--legacy-peer-deps']
  execFileSync('npm', ['install', ...options, `./${filename}`], { cwd: project, stdio: 'pipe' })

  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    setTimeout(() => response.end('data: a\n\n'), 20)
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const command = ['headfirst', 'profile', `http://127.0.0.1:${port}/`]
  const child = spawn('npx', [...command, '--closed', '1', '--duration', '300ms', '--warmup', '0'], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.on('data', (/** @type {Buffer} */ bytes) => (stdout += bytes.toString()))
  const [code] = await once(child, 'close')
  assert.equal(code, 0, stdout)
  assert.match(stdout, /Closed loop: 1 client.* were good \(100 %\)/)
})
