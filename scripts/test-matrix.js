// Runs the suite on each Node that is supported: `npm run test:matrix`.
//
//   --only 24[,26]  on these only; a version may be as exact as npm takes it (22.14.0)
//   --quick         the unit and integration tests only
//
// Nodes come from npm, and stay in node_modules/.cache/node: remove that folder to have newer ones. What is
// installed in node_modules serves all of them. The checks of the code do not depend on Node, and are left to
// `npm test`.
//
// The last lines are a table, what failed, and `N passed, N failed`; the exit code is 1 when anything failed, 2 for
// a wrong argument.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Steps } from './steps.js'

const SUPPORTED = ['20', '22', '24', '26']
const CACHE = resolve('node_modules/.cache/node')
/** @typedef {{ version: string, steps: Steps, seconds: number }} Result */

/** Platforms for which a package of npm is Node itself. */
const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']

try {
  const { only, quick } = readArguments()
  report(only.map((wanted) => runOn(wanted, quick)))
} catch (error) {
  console.error(/** @type {Error} */ (error).message)
  process.exitCode = 2
}

/** @param {Result[]} results */
function report(results) {
  console.table(
    Object.fromEntries(
      results.map(({ version, steps: { passed, failed }, seconds }) => [
        version,
        { passed, failed, seconds },
      ]),
    ),
  )
  for (const { version, steps } of results) {
    for (const name of steps.failures) console.log(`FAILED on ${version}: ${name}`)
  }
  const passed = results.reduce((sum, { steps }) => sum + steps.passed, 0)
  const failed = results.reduce((sum, { steps }) => sum + steps.failed, 0)
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

/** @returns {{ only: string[], quick: boolean }} */
function readArguments() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: SUPPORTED.join() },
      quick: { type: 'boolean', default: false },
    },
  })
  const only = values.only.split(',')
  const wrong = only.find((version) => !/^\d+(\.\d+){0,2}$/.test(version))
  if (wrong !== undefined) throw new Error(`--only takes versions such as 24 or 22.14.0, but got "${wrong}".`)
  const platform = `${process.platform}-${process.arch}`
  if (!PLATFORMS.includes(platform) && only.some((version) => !isCurrent(version))) {
    throw new Error(
      `npm has no Node for ${platform}, only for ${PLATFORMS.join(', ')}. Install the versions yourself, and run npm test on each.`,
    )
  }
  return { only, quick: values.quick }
}

/** @param {string} wanted */
function isCurrent(wanted) {
  return `${process.versions.node}.`.startsWith(`${wanted}.`)
}

/**
 * @param {string} wanted
 * @param {boolean} quick
 * @returns {Result}
 */
function runOn(wanted, quick) {
  const node = isCurrent(wanted) ? process.execPath : installed(wanted)
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  console.log(`\n━━ Node ${version}`)
  const begun = performance.now()
  const steps = new Steps(node)
  // Each Node has the package built anew by itself. Some unit tests import it by its name.
  steps.build(!quick)
  steps.vitest('quick')
  if (!quick) {
    steps.vitest('long')
    steps.package()
    steps.bench()
  }
  steps.close()
  return { version, steps, seconds: Math.round((performance.now() - begun) / 1000) }
}

/**
 * The path of a Node of that version.
 *
 * @param {string} wanted
 */
function installed(wanted) {
  const name = `node-${process.platform}-${process.arch}`
  const folder = join(CACHE, wanted)
  const node = join(folder, 'node_modules', name, 'bin', 'node')
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true })
    const options = ['--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--loglevel', 'error']
    execFileSync('npm', ['install', ...options, `${name}@${wanted}`], { stdio: 'inherit' })
  }
  return node
}
