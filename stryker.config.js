// Mutation testing. `npm run mutate` (scripts/mutate.js) gives each file of the source the tests that know it.
export default {
  plugins: ['@stryker-mutator/vitest-runner'],
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutation.config.ts', related: false },
  coverageAnalysis: 'perTest',
  incremental: true,
  // Stryker would rewrite a tsconfig.json, by an interface that TypeScript 7 no longer has; no test needs one.
  tsconfigFile: 'none',
  // The tests have servers and threads of their own.
  concurrency: 1,
  timeoutMS: 10_000,
  reporters: ['clear-text'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false, reportScoreTable: false },
  allowConsoleColors: false,
  tempDirName: '.stryker-tmp',
  ignorePatterns: ['dist', 'bench', 'docs', 'examples'],
}
