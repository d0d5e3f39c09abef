// A producer that stands in the server's own module, where that is not the module that Node was started with.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

void test('a server that a script of its own imports is started once, and its clients are told what is wrong', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['test/package/indirect/main.js'])
  /** @type {{ status: number, code: string, message: string }[]} */
  const answers = JSON.parse(stdout)
  assert.deepEqual(
    // On a machine that takes a second to load a module, the first has had its head.
    answers.slice(1).map(({ status, code }) => ({ status, code })),
    Array.from({ length: 2 }, () => ({ status: 500, code: 'HF_ERR_SERVER_ON_THREAD' })),
  )
  assert.match(answers[2]?.message ?? '', /Move the producer to a module of its own/)
})
