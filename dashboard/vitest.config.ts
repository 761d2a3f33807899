import { defineConfig } from 'vitest/config'

// What is logic alone; screens in a browser are `npm run browser`.
export default defineConfig({ test: { include: ['src/**/*.test.ts'] } })
