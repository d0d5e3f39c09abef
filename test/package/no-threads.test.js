// What becomes of a server whose process may start no more threads: `ulimit -u`, the limit of a container, Node's
// permission model.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'

/** Nobody else's processes count with this one's. */
const USER = 65_431
const isRoot = process.getuid?.() === 0

/** How many processes this user may have; undefined where nothing is here to say so. */
function limitBefore() {
  try {
    return execFileSync('prlimit', ['--nproc', '--output', 'SOFT', '--noheadings', '--raw'], {
      encoding: 'utf8',
    }).trim()
  } catch {
    return undefined
  }
}

const BEFORE = limitBefore()

/** @param {string} url */
async function get(url) {
  const response = await fetch(url)
  const { status, headers } = response
  return { status, retryAfter: headers.get('retry-after'), body: await response.text() }
}

class Server {
  #child
  url = ''

  /**
   * @param {import('node:test').TestContext} t
   * @param {string[]} execArgv
   * @param {string[]} args
   */
  constructor(t, execArgv, args) {
    this.#child = spawn(process.execPath, [...execArgv, 'test/package/no-threads-server.js', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => this.#child.kill())
  }

  /**
   * @param {import('node:test').TestContext} t
   * @param {string[]} [execArgv]
   */
  static async start(t, execArgv = []) {
    const server = new Server(t, execArgv, execArgv.length === 0 && isRoot ? [String(USER)] : [])
    const [line] = await Promise.race([
      once(createInterface(server.#child.stdout), 'line'),
      once(server.#child, 'exit').then(([code]) => assert.fail(`it exited with ${code}`)),
    ])
    server.url = line
    return server
  }

  get alive() {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Threads of the process. */
  get threads() {
    return Number(/^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'))?.[1])
  }

  /** @param {number | string} most threads and processes of the user */
  limit(most) {
    // Only a process of the same user may.
    const own = isRoot ? { uid: USER } : {}
    execFileSync('prlimit', ['--pid', String(this.#child.pid), `--nproc=${most}:`], own)
  }

  unlimit() {
    this.limit(/** @type {string} */ (BEFORE))
  }

  async stats() {
    return JSON.parse((await get(`${this.url}/stats`)).body)
  }

  /** Asks for a stream until it is one. */
  async recovered() {
    let answer = await get(`${this.url}/two`)
    while (answer.status === 503) answer = await get(`${this.url}/two`)
    assert.deepEqual(answer, { status: 200, retryAfter: null, body: TWO })
  }

  /** @param {Awaited<ReturnType<typeof get>>} answer */
  static refused({ status, retryAfter, body }) {
    assert.equal(status, 503)
    assert.ok(Number(retryAfter) >= 1)
    assert.equal(JSON.parse(body).code, 'HF_ERR_EXECUTOR_UNAVAILABLE')
  }
}

const TWO = 'data: one\n\ndata: two\n\n'
/** A server that does not recover must not keep the suite. */
const timeout = 60_000
const skip = BEFORE !== undefined ? false : 'prlimit of util-linux is not here'

void test(
  'threads that cannot be replaced: their streams are lost, the rest serves on, the next are refused',
  { skip, timeout },
  async (t) => {
    const server = await Server.start(t)
    assert.equal((await get(`${server.url}/two`)).body, TWO)
    server.limit(1)
    const lost = await get(`${server.url}/exits`)
    assert.deepEqual(lost, { status: 200, retryAfter: null, body: 'data: before\n\n' })
    assert.equal((await get(`${server.url}/two`)).body, TWO)
    assert.equal((await server.stats()).threads, 1)

    assert.equal((await get(`${server.url}/exits`)).body, 'data: before\n\n')
    let answer = await get(`${server.url}/two`)
    Server.refused(answer)
    const { threads } = server
    for (let n = 0; n < 20; n++) Server.refused((answer = await get(`${server.url}/two`)))
    assert.equal(server.threads, threads)
    assert.deepEqual(
      { ...(await server.stats()), admitted: 0, refused: 0 },
      {
        running: 0,
        waiting: 0,
        admitted: 0,
        refused: 0,
        lost: 2,
        threads: 0,
      },
    )

    server.unlimit()
    await server.recovered()
    assert.ok(server.alive)
  },
)

void test(
  'threads that cannot be had for the first stream: it is refused, until they can be',
  { skip, timeout },
  async (t) => {
    const server = await Server.start(t)
    server.limit(1)
    Server.refused(await get(`${server.url}/two`))
    Server.refused(await get(`${server.url}/two`))
    assert.equal((await server.stats()).threads, 0)
    server.unlimit()
    await server.recovered()
  },
)

void test(
  'of threads that can be had in part, those that were started serve, and the rest follow',
  { skip: skip || (isRoot ? false : 'others of this user count too'), timeout },
  async (t) => {
    const server = await Server.start(t)
    server.limit(server.threads + 1)
    assert.deepEqual(await get(`${server.url}/two`), { status: 200, retryAfter: null, body: TWO })
    assert.equal((await server.stats()).threads, 1)
    server.unlimit()
    while ((await server.stats()).threads < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    await server.recovered()
  },
)

void test('a process that may start no threads by permission refuses each stream', { timeout }, async (t) => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission'
  const server = await Server.start(t, [flag, '--allow-fs-read=*', '--allow-fs-write=*', ...network()])
  Server.refused(await get(`${server.url}/two`))
  Server.refused(await get(`${server.url}/two`))
  assert.ok(server.alive)
})

/** Node's permission model knows of networks from 25 on. */
function network() {
  return process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : []
}
