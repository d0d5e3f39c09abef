// Loads TypeScript in the main thread and in worker threads alike. Node 22.18 and later do that by themselves.
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'

// A test may want threads that die as they start.
const { HEADFIRST_BROKEN_STARTS: broken } = process.env
if (broken && !isMainThread) throw new Error(broken)

if (!('typescript' in process.features) || !process.features.typescript) {
  register('./typescript-hooks.js', import.meta.url)
}
