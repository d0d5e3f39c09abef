// Mutation testing: `npm run mutate`, or `npm run mutate -- src/sse/event.ts …` for some files only.
//
//   --force   also what is known from the run before, and has not changed since
//
// Stryker changes one place of a file at a time, and the tests that reach it have to fail. It does so for one file
// after the other, each with the tests that were written for it: with all tests that reach it, many a mutant would
// take minutes.
//
// Prints what has survived, and the scores. Reports are in node_modules/.cache/stryker. What may survive, and why, is
// told in docs/mutation.md. The exit code is 1 when Stryker could not run; a score is no reason to fail.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'

/**
 * The tests of each file, and whether they start threads.
 *
 * @type {Record<string, { tests: string[], threads?: boolean }>}
 */
const FILES = {
  'src/sse/event.ts': {
    tests: ['test/sse/event.test.ts', 'test/sse/event-refused.test.ts', 'test/sse/event-properties.test.ts'],
  },
  'src/sse/backlog.ts': { tests: ['test/sse/backlog.test.ts'] },
  'src/sse/response-sink.ts': {
    tests: ['test/sse/response-sink.test.ts', 'test/sse/response-sink-backlog.test.ts'],
    threads: true,
  },
  'src/sse/response-body.ts': { tests: ['test/sse/response-sink.test.ts'], threads: true },
  'src/sse/body-writer.ts': {
    tests: ['test/sse/body-writer.test.ts', 'test/http/raw-writes.test.ts'],
    threads: true,
  },
  'src/sse/shared-event.ts': { tests: ['test/sse/shared-event.test.ts'], threads: true },
  'src/sse/compression.ts': { tests: ['test/sse/compression.test.ts'] },
  'src/sse/heartbeat.ts': { tests: ['test/sse/heartbeat.test.ts'] },
  'src/sse/negotiation.ts': { tests: ['test/sse/negotiation.test.ts'] },
  'src/sse/vary.ts': { tests: ['test/sse/negotiation.test.ts'] },
  'src/sse/event-ring.ts': { tests: ['test/sse/event-ring.test.ts'] },
  'src/sse/head.ts': { tests: ['test/sse/head.test.ts'] },
  'src/sse/stream.ts': { tests: ['test/sse/stream.test.ts'] },
  'src/sse/closing-sessions.ts': { tests: ['test/sse/closing-sessions.test.ts'] },
  'src/sse/terminated-sessions.ts': { tests: ['test/http/protocol-errors.test.ts'], threads: true },
  'src/runtime/opening.ts': {
    tests: ['test/runtime/opening.test.ts', 'test/runtime/opening-executor.test.ts'],
  },
  'src/runtime/scope.ts': { tests: ['test/runtime/scope.test.ts', 'test/runtime/scope-close.test.ts'] },
  'src/runtime/deadlines.ts': { tests: ['test/runtime/deadlines.test.ts'] },
  'src/runtime/executor-slot.ts': { tests: ['test/runtime/executor-slot.test.ts'] },
  'src/executors/inline.ts': { tests: ['test/executors/contract.test.ts'], threads: true },
  'src/executors/microtask.ts': { tests: ['test/executors/contract.test.ts'], threads: true },
  'src/executors/deferred.ts': {
    tests: ['test/executors/deferred.test.ts', 'test/executors/options.test.ts'],
    threads: true,
  },
  'src/executors/workers/protocol.ts': { tests: ['test/executors/workers/protocol.test.ts'] },
  'src/executors/workers/ring.ts': {
    tests: [
      'test/executors/workers/ring.test.ts',
      'test/executors/workers/ring-corrupt.test.ts',
      'test/executors/workers/ring-threads.test.ts',
    ],
    threads: true,
  },
  'src/executors/workers/credit.ts': { tests: ['test/executors/workers/credit.test.ts'], threads: true },
  'src/executors/elsewhere/coded-frame.ts': { tests: ['test/executors/elsewhere/coded-frame.test.ts'] },
  'src/executors/elsewhere/error-transport.ts': {
    tests: ['test/executors/elsewhere/error-transport.test.ts'],
  },
  'src/executors/elsewhere/near-end.ts': {
    tests: ['test/executors/elsewhere/ends.test.ts', 'test/executors/elsewhere/faulty-link.test.ts'],
    threads: true,
  },
  'src/executors/elsewhere/far-end.ts': { tests: ['test/executors/elsewhere/far-end.test.ts'] },
  'src/executors/elsewhere/incoming.ts': {
    tests: [
      'test/executors/elsewhere/ends.test.ts',
      'test/executors/elsewhere/faulty-link.test.ts',
      'test/executors/workers/thread.test.ts',
      'test/executors/workers/thread-ring.test.ts',
      'test/executors/workers/thread-pace.test.ts',
    ],
    threads: true,
  },
  'src/executors/workers/options.ts': { tests: ['test/executors/options.test.ts'] },
  'src/executors/elsewhere/log.ts': { tests: ['test/executors/elsewhere/log.test.ts'], threads: true },
  'src/executors/elsewhere/portable.ts': { tests: ['test/executors/elsewhere/portable.test.ts'] },
  'src/executors/elsewhere/cloning.ts': {
    tests: ['test/executors/elsewhere/cloning.test.ts'],
    threads: true,
  },
  'src/executors/elsewhere/loss.ts': { tests: ['test/executors/elsewhere/cloning.test.ts'], threads: true },
  'src/executors/workers/modules.ts': { tests: ['test/executors/workers/modules.test.ts'], threads: true },
  'src/executors/workers/queue.ts': { tests: ['test/executors/workers/queue.test.ts'] },
  'src/runtime/production.ts': { tests: ['test/runtime/production.test.ts'] },
  'src/runtime/loop-watch.ts': { tests: ['test/runtime/observation.test.ts'] },
  'src/runtime/observation.ts': { tests: ['test/runtime/observation.test.ts'] },
  'src/executors/workers/pool.ts': {
    tests: [
      'test/executors/workers/pool.test.ts',
      'test/executors/workers/admission.test.ts',
      'test/executors/workers/cancellation.test.ts',
      'test/executors/workers/shutdown.test.ts',
    ],
    threads: true,
  },
  'src/executors/workers/threads.ts': {
    tests: ['test/executors/workers/threads.test.ts', 'test/executors/workers/placement.test.ts'],
    threads: true,
  },
  'src/executors/workers/thread.ts': {
    tests: [
      'test/executors/workers/thread.test.ts',
      'test/executors/workers/thread-ring.test.ts',
      'test/executors/workers/thread-pace.test.ts',
    ],
  },
  'src/executors/workers/entry.ts': { tests: ['test/executors/workers/entry.test.ts'], threads: true },
  'src/executors/workers/ring-sink.ts': { tests: ['test/executors/workers/ring-sink.test.ts'] },
}

const CACHE = 'node_modules/.cache/stryker'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { force: { type: 'boolean', default: false } },
})
const unknown = positionals.filter((file) => FILES[file] === undefined)
if (unknown.length > 0) {
  console.error(`No tests are named for ${unknown.join(', ')} in scripts/mutate.js.`)
  process.exit(2)
}

/** @type {Record<string, { score: string, killed: number, survived: number, unreached: number }>} */
const scores = {}
for (const file of positionals.length > 0 ? positionals : Object.keys(FILES)) {
  if (mutate(file)) scores[file] = scoreOf(file)
  else process.exitCode = 1
}
console.table(scores)

/** @param {string} file */
function reportOf(file) {
  return `${CACHE}/${basename(file, '.ts')}.json`
}

/** @param {string} file */
function mutate(file) {
  console.log(`\n── ${file}`)
  const { tests, threads } = FILES[file] ?? { tests: [] }
  const report = reportOf(file)
  if (values.force) rmSync(report, { force: true })
  const { status } = spawnSync('stryker', ['run', '--mutate', file, '--incrementalFile', report], {
    env: {
      ...process.env,
      PATH: `node_modules/.bin:${process.env['PATH']}`,
      // Not Stryker's own --testFiles: with it a mutant of what runs while a module loads is never there (9.6.1).
      MUTATION_TESTS: tests.join(),
      ...(threads === true ? { MUTATION_THREADS: '1' } : {}),
    },
    stdio: 'inherit',
  })
  return status === 0 && existsSync(report)
}

/** @param {string} file */
function scoreOf(file) {
  /** @type {{ mutants: { status: string }[] }} */
  const { mutants } = JSON.parse(readFileSync(reportOf(file), 'utf8')).files[file]
  const count = (/** @type {string[]} */ ...statuses) =>
    mutants.filter(({ status }) => statuses.includes(status)).length
  const killed = count('Killed', 'Timeout')
  const survived = count('Survived')
  const unreached = count('NoCoverage')
  const score = `${((100 * killed) / (killed + survived + unreached)).toFixed(1)} %`
  return { score, killed, survived, unreached }
}
