import { join } from 'node:path'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** `npm run dev:web` shows the page against a server that was started beside it. */
const devServer = 'http://127.0.0.1:7860'

export default defineConfig({
  root: import.meta.dirname,
  // Addresses are relative, because a proxy may show the page under any path.
  base: './',
  plugins: [react()],
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    // The page loads nothing that is not a file: `data:` addresses would need a looser content policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // Mantine in one file that changes seldom, the studio in another.
    rolldownOptions: {
      input: ['index', 'training', 'tensorboard'].map((name) => join(import.meta.dirname, `${name}.html`)),
      output: { codeSplitting: { groups: [{ name: 'libraries', test: /node_modules/ }] } },
      onwarn: (warning, warn) => {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning)
      },
    },
    chunkSizeWarningLimit: 800,
  },
  server: { proxy: { '/api': devServer } },
})
