// Runs everything that has to hold before a change lands, and counts it: `npm test`.
//
// Each step runs even if one before it has failed, so that one run shows all. What failed is named once more at the
// end. The closing line is `N passed, N failed`; the exit code is 1 when anything failed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const scratch = mkdtempSync(join(tmpdir(), 'headfirst-test-'))
const unitReport = join(scratch, 'unit.json')
let passed = 0
let failed = 0
/** @type {string[]} */
const failures = []

// First, since the bench and the examples are checked against what the package exports.
step('build', 'npm', ['run', '--silent', 'build'])
step('formatting', 'prettier', ['--check', '--log-level', 'warn', '.'])
step('lint', 'oxlint', ['--type-aware', '--deny-warnings'])
step('types', 'tsc', [])
step('unused code', 'knip', [])
step(
  'unit and integration tests',
  'vitest',
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${unitReport}`],
  countUnitTests,
)
step(
  'tests of the built package',
  process.execPath,
  ['--test', '--test-reporter=tap', 'test/package/'],
  countTap,
)
step('package contents', 'publint', ['--strict'])
step('package types', 'attw', ['--pack', '.', '--profile', 'esm-only'])
step('the bench in small', 'npm', ['run', '--silent', 'bench', '--', '--quick'])

rmSync(scratch, { recursive: true, force: true })
for (const name of failures) console.log(`FAILED: ${name}`)
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

/**
 * @param {string} name
 * @param {string} command of node_modules/.bin, or on the path
 * @param {string[]} args
 * @param {(output: string) => { passed: number, failed: number }} [count] of the tests in it; else the step counts as one
 */
function step(name, command, args, count) {
  console.log(`\n── ${name}`)
  const path = `${join(process.cwd(), 'node_modules', '.bin')}:${process.env.PATH}`
  const { status, stdout, error } = spawnSync(command, args, {
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  process.stdout.write(stdout ?? '')
  if (error) console.error(error.message)
  const counted = count?.(stdout ?? '') ?? { passed: 0, failed: 0 }
  // A step that fails without a failed test in it has failed itself.
  const own = counted.passed + counted.failed === 0 || (status !== 0 && counted.failed === 0)
  passed += counted.passed + (own && status === 0 ? 1 : 0)
  failed += counted.failed + (own && status !== 0 ? 1 : 0)
  if (status !== 0) failures.push(name)
}

function countUnitTests() {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(unitReport, 'utf8'))
  for (const { assertionResults } of testResults) {
    for (const { status, fullName } of assertionResults) if (status === 'failed') failures.push(fullName)
  }
  return { passed: numPassedTests, failed: numFailedTests }
}

/** @param {string} output */
function countTap(output) {
  for (const [, name] of output.matchAll(/^not ok \d+ - (.*)$/gm)) failures.push(name ?? '')
  const number = (/** @type {string} */ word) =>
    Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  return { passed: number('pass'), failed: number('fail') }
}
