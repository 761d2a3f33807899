import { defineConfig } from 'vitest/config'

// What people run by hand: it measures, and takes the README's pictures. Nothing is asserted about time: what a busy machine does
// to a number is for whoever reads it.
export default defineConfig({
  test: {
    include: ['browser/**/*.by-hand.ts'],
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
})
