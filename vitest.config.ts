import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Examples import what people import.
  resolve: { alias: { 'athanor/client': fileURLToPath(new URL('./src/client/client.ts', import.meta.url)) } },
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
