// Commands that are run as steps of a suite, and how many tests in them have passed and failed.
//
// Each step runs even if one before it has failed, so that one run shows all.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** @typedef {{ passed: number, failed: number, failures?: string[] }} Counted */

export class Steps {
  passed = 0
  failed = 0
  /** @type {string[]} names of failed steps and tests */
  failures = []
  #node
  #env
  #scratch = mkdtempSync(join(tmpdir(), 'headfirst-test-'))

  /** @param {string} [node] path of the Node that everything runs on; default this one */
  constructor(node = process.execPath) {
    this.#node = node
    // What is started by its name, as npm and npx are, finds that Node too.
    const path = [join(node, '..'), join(process.cwd(), 'node_modules', '.bin'), process.env['PATH']]
    this.#env = { ...process.env, PATH: path.join(delimiter) }
  }

  /**
   * @param {string} name
   * @param {string} command of node_modules/.bin, or on the path
   * @param {string[]} args
   * @param {(output: string) => Counted} [count] the tests in it; else the step counts as one
   */
  run(name, command, args, count) {
    console.log(`\n── ${name}`)
    const { status, stdout, error } = spawnSync(command, args, {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    })
    process.stdout.write(stdout ?? '')
    if (error) console.error(error.message)
    const { passed, failed, failures = [] } = count?.(stdout ?? '') ?? { passed: 0, failed: 0 }
    // A step that fails without a failed test in it has failed itself.
    const own = passed + failed === 0 || (status !== 0 && failed === 0)
    this.passed += passed + (own && status === 0 ? 1 : 0)
    this.failed += failed + (own && status !== 0 ? 1 : 0)
    if (status !== 0) this.failures.push(name)
    this.failures.push(...failures)
  }

  vitest() {
    const report = join(this.#scratch, 'unit.json')
    this.run(
      'unit and integration tests',
      'vitest',
      ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      () => countVitest(report),
    )
  }

  package() {
    this.run(
      'tests of the built package',
      this.#node,
      ['--test', '--test-reporter=tap', ...packageTests()],
      countTap,
    )
  }

  bench() {
    this.run('the bench in small', 'npm', ['run', '--silent', 'bench', '--', '--quick', '--generators', '2'])
  }

  close() {
    rmSync(this.#scratch, { recursive: true, force: true })
  }
}

/** By name: only Node 20 takes a folder, and only later ones take a pattern. */
function packageTests() {
  const files = readdirSync('test/package').filter((name) => name.endsWith('.test.js'))
  return files.map((name) => join('test', 'package', name))
}

/**
 * @param {string} report
 * @returns {Counted}
 */
function countVitest(report) {
  // A run that died leaves none: then the step counts as failed.
  if (!existsSync(report)) return { passed: 0, failed: 0, failures: [] }
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'))
  const failures = []
  for (const { assertionResults } of testResults) {
    for (const { status, fullName } of assertionResults) if (status === 'failed') failures.push(fullName)
  }
  return { passed: numPassedTests, failed: numFailedTests, failures }
}

/**
 * @param {string} output
 * @returns {Counted}
 */
function countTap(output) {
  const failures = [...output.matchAll(/^not ok \d+ - (.*)$/gm)].map(([, name]) => name ?? '')
  const number = (/** @type {string} */ word) =>
    Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  return { passed: number('pass'), failed: number('fail'), failures }
}
