// What the pages show is what stands in examples/, each example is shown, and each server among them starts.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'

/** Blocks of code under a comment that names their file. */
const SHOWN = /^<!-- (examples\/\S+) -->\n+```js\n(.*?)^```$/gms

/** The contract of executors, a file for each chapter. */
const CHAPTERS = readdirSync('src/testing/contract').map((name) => `src/testing/contract/${name}`)

const pages = ['README.md', 'SECURITY.md', ...readdirSync('docs').map((name) => `docs/${name}`)]
/** @type {Set<string>} */
const examples = new Set()

for (const page of pages) {
  for (const [, file = '', code] of readFileSync(page, 'utf8').matchAll(SHOWN)) {
    examples.add(file.split('/')[1] ?? '')
    void test(`${page} shows ${file} as it is`, () => {
      assert.equal(code, readFileSync(file, 'utf8'))
    })
  }
}

void test('each example is shown on some page', () => {
  // The README's own example has a test of its own.
  assert.deepEqual(readdirSync('examples').toSorted(), [...examples, 'quick-start'].toSorted())
})

void test('each link between pages leads somewhere', () => {
  for (const page of pages) {
    const folder = page.startsWith('docs/') ? 'docs/' : ''
    for (const [, target] of readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(`${folder}${target}`), `${page}: ${target}`)
    }
  }
})

void test('each test that docs/guarantees.md names is there', () => {
  const named = [...readFileSync('docs/guarantees.md', 'utf8').matchAll(/`([\w/-]+) › ([^`]+)`/g)]
  assert.ok(named.length > 0)
  for (const [, file = '', title = ''] of named) {
    const own = `test/${file}.test.${file.startsWith('package/') ? 'js' : 'ts'}`
    const sources = file === 'contract' ? CHAPTERS : [own]
    const source = sources.map((path) => readFileSync(path, 'utf8')).join('\n')
    // A title stands in quotes of one kind or another.
    assert.ok(
      ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote}`)),
      `${file} › ${title}`,
    )
  }
})

for (const name of readdirSync('examples')) {
  const server = `examples/${name}/server.js`
  if (!existsSync(server)) continue
  void test(`${server} starts, and says where`, async (t) => {
    const child = spawn(process.execPath, [server], {
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill())
    const [line] = await Promise.race([
      once(createInterface(child.stdout), 'line'),
      once(child, 'exit').then(([code]) => assert.fail(`it exited with ${code}`)),
    ])
    assert.match(line, /https?:\/\/[^\s"]+:\d+/)
  })
}
