// Commands that are run as steps of a suite, and how many tests in them have passed and failed.
//
// Each step runs even if one before it has failed, so that one run shows all.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** @typedef {{ passed: number, failed: number, failures?: string[], skipped?: string[] }} Counted */

export class Steps {
  passed = 0
  failed = 0
  /** @type {string[]} names of failed steps and tests */
  failures = []
  /** @type {string[]} names of tests that were skipped */
  skipped = []
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
    const { passed, failed, failures = [], skipped = [] } = count?.(stdout ?? '') ?? { passed: 0, failed: 0 }
    this.skipped.push(...skipped)
    // A step that fails without a failed test in it has failed itself.
    const own = passed + failed === 0 || (status !== 0 && failed === 0)
    this.passed += passed + (own && status === 0 ? 1 : 0)
    this.failed += failed + (own && status !== 0 ? 1 : 0)
    if (status !== 0) this.failures.push(name)
    this.failures.push(...failures)
  }

  /** @param {'quick' | 'long'} project of vitest.config.ts */
  vitest(project) {
    const report = join(this.#scratch, `${project}.json`)
    this.run(
      `unit and integration tests: the ${project} ones`,
      'vitest',
      ['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      () => countVitest(report),
    )
  }

  /** Compiles the package, and the bench with the profiler for the tests that run these. */
  build(withBench = false) {
    this.run('build', 'npm', ['run', '--silent', withBench ? 'build:bench' : 'build'])
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
    this.run('the bench in small', this.#node, ['build/bench/main.js', '--quick', '--generators', '2'])
  }

  /** Says what was counted, with what failed or was skipped by name, and sets the exit code. */
  close() {
    rmSync(this.#scratch, { recursive: true, force: true })
    for (const name of this.skipped) console.log(`skipped: ${name}`)
    for (const name of this.failures) console.log(`FAILED: ${name}`)
    const skips = this.skipped.length === 0 ? '' : `, ${this.skipped.length} skipped`
    console.log(`\n${this.passed} passed, ${this.failed} failed${skips}`)
    process.exitCode = this.failed === 0 ? 0 : 1
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
  const skipped = []
  for (const { assertionResults } of testResults) {
    for (const { status, fullName } of assertionResults) {
      if (status === 'failed') failures.push(fullName)
      if (status === 'skipped' || status === 'pending') skipped.push(fullName)
    }
  }
  return { passed: numPassedTests, failed: numFailedTests, failures, skipped }
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
