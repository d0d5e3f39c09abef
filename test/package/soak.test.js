// The soak as a user runs it, in small: every check holds, and what it writes is what its schema says.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readDocument, runCompiled } from './compiled-bench.js'

const scratch = mkdtempSync(join(tmpdir(), 'headfirst-soak-'))

after(() => rmSync(scratch, { recursive: true, force: true }))

/** @param {readonly string[]} args */
const soak = (args) => runCompiled('soak/main.js', args, 240_000)

void test('a quick soak: every count agrees, and nothing stays open', () => {
  const [html, json] = [join(scratch, 'soak.html'), join(scratch, 'soak.json')]
  const { status, stdout, stderr } = soak(['--quick', '--html', html, '--json', json])
  assert.equal(status, 0, stdout + stderr)
  // Nobody watches.
  assert.equal(stderr, '')
  assert.match(stdout, /All \d+ checks hold\.\n$/)

  const document = readDocument(json)
  assert.equal(document.tool, 'soak')
  const { tallies, samples, counts } = document.results
  assert.ok(samples.length > 0)
  for (const [path, { streams }] of Object.entries(tallies)) {
    assert.ok(streams > 0, path)
    assert.equal(counts[path].open, 0, path)
  }
  // Every kind of client has come.
  const kinds = new Set(Object.keys(tallies).map((path) => path.split('/')[1]))
  assert.deepEqual([...kinds].toSorted(), [
    'deaf',
    'kill',
    'leave',
    'long',
    'mortal',
    'narrow',
    'news',
    'probe',
    'short',
    'slow',
  ])

  const page = readFileSync(html, 'utf8')
  assert.match(page, /^<!doctype html>/)
  assert.equal(page.match(/<figure/g)?.length, 6)
  assert.doesNotMatch(page, /<script|<link|https?:/)
})

void test('what cannot be done is a usage error', () => {
  for (const [args, message] of /** @type {const} */ ([
    [['--minutes', '0'], /^--minutes: expected a number from 0\.1 to 1440, got "0"/],
    [['--quick', '--minutes', '1'], /^--quick and --minutes exclude each other/],
    [['--json', join(scratch, 'missing', 'file')], /^--json: can't write .* Make it first/],
    [['--html', scratch], /^--html: can't write .*: it is a folder\. Name a file in it/],
    [['--wrong'], /Unknown option '--wrong'/],
  ])) {
    const { status, stderr } = soak(args)
    assert.equal(status, 2)
    assert.match(stderr, message)
  }
})
