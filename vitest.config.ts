import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'web/src/**/*.test.ts'],
    // Each file gets a process of its own: the native runtime keeps thread pools and does not like worker threads.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 240_000,
    hookTimeout: 240_000,
    env: { ORT_DISABLE_TELEMETRY: '1' },
  },
})
