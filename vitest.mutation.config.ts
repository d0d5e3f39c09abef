import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** Threads need what loads TypeScript, and tells what they reach; tests without any start sooner without it. */
const forThreads = [
  '--import',
  path('test/mutation/thread.js'),
  '--import',
  path('test/typescript-loader.js'),
]

/** For mutation testing: see scripts/mutate.js. */
const config: ViteUserConfig = defineConfig({
  test: {
    include: process.env['MUTATION_TESTS']?.split(',') ?? ['test/**/*.test.ts'],
    // Stryker would set it anyway.
    pool: 'threads',
    setupFiles: [path('test/mutation/setup.ts')],
    execArgv: process.env['MUTATION_THREADS'] === undefined ? [] : forThreads,
    // Stryker ends what takes much longer than it should.
    testTimeout: 30_000,
  },
})

export default config
