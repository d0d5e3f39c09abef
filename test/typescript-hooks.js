// Types are stripped once for each text, by esbuild, and kept in node_modules/.cache: each worker thread that a test
// starts loads its modules anew, and would else spend most of its time on that.
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { threadId } from 'node:worker_threads'

const CACHE = new URL('../node_modules/.cache/typescript/', import.meta.url)

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const { protocol, pathname } = new URL(url)
  if (protocol !== 'file:' || !/\.m?ts$/.test(pathname)) return nextLoad(url, context)
  const text = await readFile(new URL(url), 'utf8')
  return { format: 'module', source: await stripped(text), shortCircuit: true }
}

/** @param {string} text */
async function stripped(text) {
  const file = new URL(`${createHash('sha1').update(text).digest('hex')}.js`, CACHE)
  try {
    return await readFile(file, 'utf8')
  } catch {
    const { transform } = await import('esbuild')
    const { code } = await transform(text, { loader: 'ts', format: 'esm', target: 'node20' })
    await mkdir(CACHE, { recursive: true })
    // At once: others may look for it.
    const draft = new URL(`${file.href}.${process.pid}.${threadId}`)
    await writeFile(draft, code)
    await rename(draft, file)
    return code
  }
}
