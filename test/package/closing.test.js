// A thread that is terminated while it loads must not take the process with it: see src/executors/workers/boot.cjs.
// The abort that it is there for is rare, and wants a busy machine: `node test/package/closing-server.js 2000` tries longer.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

void test('a process whose servers close while their threads start lives on', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['test/package/closing-server.js', '30'])
  assert.equal(stdout, 'closed 30\n')
})
