import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'

/** Where a run was made: what a comparison with another run depends on. */
export interface Environment {
  headfirst: string
  node: string
  platform: string
  cpu: string
  cores: number
  memoryBytes: number
  /** Versions of what the micro benchmarks compare with. */
  peers: Record<string, string>
}

const PEERS = ['@fastify/sse', 'better-sse', 'fastify-sse-v2', 'hono', 'fastify', 'piscina'] as const

export function environment(): Environment {
  return {
    headfirst: versionIn(new URL(import.meta.resolve('headfirst/package.json'))),
    node: process.version,
    platform: `${process.platform} ${process.arch} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    peers: Object.fromEntries(PEERS.map((name) => [name, installedVersion(name)])),
  }
}

/** Not every package exports its package.json, so it is looked for beside the package's entry and above. */
function installedVersion(name: string): string {
  const entry = import.meta.resolve(name)
  const folder = `/node_modules/${name}/`
  const end = entry.lastIndexOf(folder)
  if (end < 0) throw new Error(`${entry} is not in a folder of its package`)
  return versionIn(new URL('package.json', entry.slice(0, end + folder.length)))
}

function versionIn(url: URL): string {
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}
