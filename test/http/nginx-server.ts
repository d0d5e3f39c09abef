/** A real nginx in front of a server: the one on the path, or Debian's package in a folder of its own. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/headfirst-nginx', import.meta.url))

export interface Binary {
  path: string
  /** Where its libraries are, beside those of the system. */
  libraries: string[]
}

/**
 * Finds nginx, or fetches Debian's package. That needs apt-get and the network, but no root: package lists,
 * archives and files all stay in a folder below `node_modules`.
 *
 * @throws an error that says what to do, when there is neither
 */
export async function findNginx(): Promise<Binary> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  const installed = folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path))
  if (installed !== undefined) return { path: installed, libraries: [] }
  const root = join(CACHE, process.arch)
  const path = join(root, 'usr', 'sbin', 'nginx')
  if (!existsSync(path)) {
    try {
      await fetchPackage(root)
    } catch (cause) {
      throw new Error(
        'The tests behind nginx need it. It is not on the path, and Debian\'s package could not be fetched with apt-get. Install it ("apt-get install nginx-light", "brew install nginx"), or see to it that apt-get reaches its mirror; then run the tests again.',
        { cause },
      )
    }
  }
  const libraries = ['lib', join('usr', 'lib')].map((folder) => join(root, folder))
  for (const folder of libraries.filter((library) => existsSync(library))) {
    for (const name of await readdir(folder)) if (name.includes('-linux-')) libraries.push(join(folder, name))
  }
  return { path, libraries }
}

/** Unpacks nginx, and the packages that it needs and the system has not, into a folder. */
async function fetchPackage(root: string): Promise<void> {
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'fetch-'))
  try {
    for (const folder of ['state/lists/partial', 'cache/archives/partial', 'debs', 'root']) {
      await mkdir(join(work, folder), { recursive: true })
    }
    // apt with a memory of its own: it knows what is installed, and touches nothing of the system.
    const options = [
      `Dir::State=${work}/state`,
      'Dir::State::status=/var/lib/dpkg/status',
      `Dir::Cache=${work}/cache`,
      `APT::Sandbox::User=${userInfo().username}`,
      'Debug::NoLocking=1',
    ].flatMap((option) => ['-o', option])
    const apt = async (...args: string[]): Promise<string> =>
      (await run('apt-get', [...options, ...args], { cwd: join(work, 'debs'), maxBuffer: 2 ** 26 })).stdout
    await apt('update')
    const wanted = await apt('install', '--print-uris', '--yes', '--no-install-recommends', 'nginx')
    // Lines of: 'address' name_version_architecture.deb size hash
    const names = [...wanted.matchAll(/^'[^']+' ([^_\s]+)_\S+\.deb /gm)].map(([, name]) => name as string)
    await apt('download', ...names)
    for (const deb of await readdir(join(work, 'debs'))) {
      await run('dpkg-deb', ['--extract', join(work, 'debs', deb), join(work, 'root')])
    }
    await rm(root, { recursive: true, force: true })
    await rename(join(work, 'root'), root)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

export interface NginxSettings {
  /** The port of the server behind it, on 127.0.0.1. */
  upstream: number
  /** More of `location /`, besides `proxy_pass`. */
  location?: string
  /** More of `server`. */
  server?: string
  /** More of `listen`, as `ssl`. */
  listen?: string
}

/** A running nginx, on a free port of 127.0.0.1. */
export class Nginx {
  readonly port: number
  readonly #process: ChildProcess
  readonly #folder: string

  private constructor(port: number, child: ChildProcess, folder: string) {
    this.port = port
    this.#process = child
    this.#folder = folder
  }

  static async start(binary: Binary, settings: NginxSettings): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'headfirst-nginx-'))
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      await writeFile(join(folder, 'nginx.conf'), configuration(folder, port, settings))
      const child = spawn(binary.path, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          ...process.env,
          LD_LIBRARY_PATH: [...binary.libraries, process.env['LD_LIBRARY_PATH'] ?? '']
            .filter((path) => path !== '')
            .join(':'),
        },
      })
      const said: string[] = []
      const runs = await new Promise<boolean>((resolve, reject) => {
        child.once('error', reject)
        // Somebody else may have taken the port in the meantime.
        child.once('exit', () => resolve(false))
        createInterface(child.stderr).on('line', (line) => {
          said.push(line)
          if (line.includes('start worker process')) resolve(true)
        })
      })
      if (runs) return new Nginx(port, child, folder)
      if (attempt === 3) throw new Error(`nginx does not start: ${said.join('\n')}`)
    }
  }

  async stop(): Promise<void> {
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await gone
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** A port that was free a moment ago: nginx takes no port of its own choice. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** What is not set here is as nginx comes. */
function configuration(folder: string, port: number, settings: NginxSettings): string {
  const { upstream, location = '', server = '', listen = '' } = settings
  const { uid, username } = userInfo()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
${uid === 0 ? `user ${username};` : ''}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port} ${listen};
    ${server}
    location / {
      proxy_pass http://127.0.0.1:${upstream};
      ${location}
    }
  }
}
`
}
