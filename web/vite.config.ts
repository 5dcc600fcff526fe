// Owns how the console is built: hashed files in dist/console, found by relative paths, nothing inlined (the console's
// Content-Security-Policy allows scripts and styles from 'self' alone). JSX is Vite's own transform.

import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: here('.'),
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: here('../dist/console'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { checks: { ineffectiveDynamicImport: false } },
  },
  server: { proxy: { '/v1': 'http://127.0.0.1:8025' } },
})
