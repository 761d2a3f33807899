import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

import { compressed } from './compressed.ts'

// The service that `npm run dev` asks.
const service = process.env.MAILMIND_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react(), tailwindcss(), compressed()],
  build: {
    // The api crate's build script says where it wants the files.
    outDir: process.env.DASHBOARD_OUT ?? 'dist',
    emptyOutDir: true,
    target: 'es2023',
    modulePreload: { polyfill: false },
    // Nothing inlined: the content security policy allows files of this service alone.
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      '/graphql': { target: service, ws: true },
      '/health': service,
      '/session': service,
    },
  },
})
