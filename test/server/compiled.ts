import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * A program of this folder as JavaScript over the built sources, for tests that start it many times: reading TypeScript
 * would take longer than all they do.
 */
export async function compiled(name: string): Promise<string> {
  execFileSync(process.execPath, [join(root, 'scripts', 'setup.mjs')], { stdio: 'ignore' })
  const outfile = join(root, 'node_modules', '.cache', 'athanor', `${name}.mjs`)
  await build({
    entryPoints: [join(root, 'test', 'server', `${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    plugins: [
      {
        name: 'built sources',
        setup: ({ onResolve }) => {
          onResolve({ filter: /^(\.\.\/)+src\// }, ({ path }) => ({
            path: pathToFileURL(join(root, 'dist', path.replace(/^(\.\.\/)+src\//, '').replace(/\.ts$/, '.js'))).href,
            external: true,
          }))
        },
      },
    ],
  })
  return outfile
}
