import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig, type ViteUserConfig } from 'vitest/config'

/** Tests that repeat something many times, or for long: `npm run test:all` runs them, one file at a time. */
const LONG = [
  'test/lifecycle/leaks.test.ts',
  'test/faults/clock-steps.test.ts',
  'test/faults/killed-threads.test.ts',
  'test/faults/slow-clients.test.ts',
  'test/faults/storms.test.ts',
  'test/fuzz/scribbled-threads.test.ts',
]

const config: ViteUserConfig = defineConfig({
  test: {
    // Worker threads inherit this, so that they can load producers written in TypeScript on Node 20.
    pool: 'forks',
    execArgv: ['--import', fileURLToPath(new URL('test/typescript-loader.js', import.meta.url))],
    testTimeout: 20_000,
    // Half of the time a test waits for something.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], checker: 'tsc' },
    projects: [
      {
        extends: true,
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...LONG],
        },
      },
      {
        extends: true,
        test: { name: 'long', include: LONG, fileParallelism: false, typecheck: { enabled: false } },
      },
    ],
  },
})

export default config
