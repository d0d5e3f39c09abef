// What has to hold before a change lands: `npm test`, in less than five minutes on two cores.
//
//   --all   the rest: what repeats something many times or for long, the built package, the bench in small
//           (`npm run test:all`)
//
// What failed or was skipped is named once more at the end. The closing line is `N passed, N failed`; the exit code is
// 1 when anything failed.
import { Steps } from './steps.js'

const steps = new Steps()
const all = process.argv.includes('--all')
// First, since the bench and the examples are checked against what the package exports.
steps.build(all)
if (all) {
  steps.vitest('long')
  steps.package()
  steps.run('package contents', 'publint', ['--strict'])
  steps.run('package types', 'attw', ['--pack', '.', '--profile', 'esm-only'])
  steps.bench()
} else {
  steps.run('formatting', 'prettier', ['--check', '--log-level', 'warn', '.'])
  steps.run('lint', 'oxlint', ['--type-aware', '--deny-warnings'])
  steps.run('types', 'tsc', [])
  steps.run('unused code', 'knip', [])
  steps.vitest('quick')
}
steps.close()
