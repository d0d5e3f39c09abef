import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Worker threads inherit this, so that they can load producers written in TypeScript on Node 20.
    pool: 'forks',
    execArgv: ['--import', fileURLToPath(new URL('test/typescript-loader.js', import.meta.url))],
    testTimeout: 20_000,
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], checker: 'tsc' },
  },
})

export default config
