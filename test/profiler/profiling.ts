import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { parseProfileArguments } from '../../profiler/command/arguments.ts'
import type { ResolvedProfile } from '../../profiler/options/resolved-profile.ts'
import { targetOf } from '../../profiler/options/target.ts'
import type { Measurement, Plan } from '../../profiler/plan.ts'
import { Session } from '../../profiler/load/session.ts'

export const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
export const END = '0\r\n\r\n'
export const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

/** A server that says, on each connection, whatever it is told to say once something was asked. */
export async function answering(respond: (socket: Socket, asked: string) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => respond(socket, bytes.toString('latin1')))
  })
  return listening(server, new Set<Socket>())
}

/** The URL of a server that ends with the test, and its connections with it. */
export async function listening(server: Server, sockets: Set<Socket> = new Set()): Promise<string> {
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/stream`
}

const resolved = (args: string[]): ResolvedProfile => parseProfileArguments(args).profile as ResolvedProfile

export function planOf(...args: string[]): Plan {
  const options = resolved(args)
  const { end, load, stamp, slo } = options
  return { target: targetOf(options, options.url.hostname), end, load, stamp, slo }
}

/** Generators' processes that end with the test. */
export function session(generators: number | undefined, cores?: number): Session {
  const started = new Session(generators, cores)
  onTestFinished(async () => started.end())
  return started
}

export async function measure(...args: string[]): Promise<Measurement> {
  const { generators = 1 } = resolved(args)
  const measurement = await session(generators).measure(planOf(...args))
  if (measurement === undefined) throw new Error('It was not interrupted')
  return measurement
}

/** Few streams, in a short time, all of which count. */
export const BRIEFLY: readonly string[] = '--rate 50 --arrivals uniform --duration 200ms --warmup 0'.split(
  ' ',
)

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

/** The command, in a process of its own. */
export class Command {
  readonly child: ChildProcess
  #stdout = ''
  #stderr = ''

  constructor(...args: string[]) {
    const script = fileURLToPath(new URL('../../profiler/command/headfirst.ts', import.meta.url))
    this.child = spawn(process.execPath, [...process.execArgv, script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    })
    this.child.stdout?.on('data', (bytes: Buffer) => (this.#stdout += bytes.toString()))
    this.child.stderr?.on('data', (bytes: Buffer) => (this.#stderr += bytes.toString()))
    onTestFinished(() => void this.child.kill('SIGKILL'))
  }

  async done(): Promise<Ran> {
    const [code] = (await once(this.child, 'close')) as [number | null]
    return { code, stdout: this.#stdout, stderr: this.#stderr }
  }
}

export async function run(...args: string[]): Promise<Ran> {
  return new Command(...args).done()
}
