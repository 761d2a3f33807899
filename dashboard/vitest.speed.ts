import { defineConfig } from 'vitest/config'

// Measures, and asserts nothing about time: what a busy machine does to a number is for whoever reads it.
export default defineConfig({
  test: {
    include: ['browser/speed.measure.ts'],
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
})
