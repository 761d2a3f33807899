import { defineConfig } from 'vitest/config'

// Screens in Chromium, over the real program with its sandbox. One process and one browser, so one file after the other.
export default defineConfig({
  test: {
    include: ['browser/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
