// The package as a stranger gets it: packed, installed into an empty project, the README's example typed in.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'

const readme = readFileSync('README.md', 'utf8')

/** @param {string} name of a file that the README shows */
function shown(name) {
  for (const [, code] of readme.matchAll(/^```js\n(.*?)^```$/gms)) {
    if (code?.startsWith(`// ${name}`)) return code
  }
  throw new Error(`The README shows no ${name}`)
}

void test("the README's example is the one in examples/", () => {
  for (const name of ['server.js', 'report.js']) {
    assert.equal(shown(name), readFileSync(`examples/quick-start/${name}`, 'utf8'))
  }
})

/**
 * Links between the pages of a package that lead nowhere in it.
 *
 * @param {string} root
 */
function brokenLinks(root) {
  const pages = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  )
  assert.ok(pages.length > 10)
  return pages.flatMap((page) => {
    const links = readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)
    const targets = Array.from(links, ([, target = '']) => target)
    return targets
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page}: ${target}`)
  })
}

void test("the packed package installs into an empty project and runs the README's example", async (t) => {
  const project = mkdtempSync(join(tmpdir(), 'headfirst-install-'))
  t.after(() => rmSync(project, { recursive: true, force: true }))
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], {
      encoding: 'utf8',
    }),
  )
  const { version } = JSON.parse(readFileSync('node_modules/fastify/package.json', 'utf8'))
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }')
  execFileSync('npm', ['install', '--no-audit', '--no-fund', `./${filename}`, `fastify@${version}`], {
    cwd: project,
    stdio: 'pipe',
  })
  for (const name of ['server.js', 'report.js']) writeFileSync(join(project, name), shown(name))
  assert.deepEqual(brokenLinks(join(project, 'node_modules', 'headfirst')), [])

  const server = spawn(process.execPath, ['server.js'], {
    cwd: project,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => server.kill())
  // Among the lines of its log.
  let address = ''
  for await (const line of createInterface(server.stdout)) {
    if (line.startsWith('http')) {
      address = line
      break
    }
  }
  const response = await fetch(`${address}/report/7`)
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const body = await response.text()
  assert.match(
    body,
    /^event: progress\ndata: {"id":"7","done":0}\n\nevent: done\ndata: {"id":"7","sum":\d+}\n\n$/,
  )
})
