// Runs everything that has to hold before a change lands, and counts it: `npm test`.
//
// What failed is named once more at the end. The closing line is `N passed, N failed`; the exit code is 1 when
// anything failed.
import { Steps } from './steps.js'

const steps = new Steps()
// First, since the bench and the examples are checked against what the package exports.
steps.run('build', 'npm', ['run', '--silent', 'build'])
steps.run('formatting', 'prettier', ['--check', '--log-level', 'warn', '.'])
steps.run('lint', 'oxlint', ['--type-aware', '--deny-warnings'])
steps.run('types', 'tsc', [])
steps.run('unused code', 'knip', [])
steps.vitest()
steps.package()
steps.run('package contents', 'publint', ['--strict'])
steps.run('package types', 'attw', ['--pack', '.', '--profile', 'esm-only'])
steps.bench()
steps.close()

for (const name of steps.failures) console.log(`FAILED: ${name}`)
console.log(`\n${steps.passed} passed, ${steps.failed} failed`)
process.exitCode = steps.failed === 0 ? 0 : 1
