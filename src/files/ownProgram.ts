import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * The arguments by which Node starts a program that lies beside the module of an address. In a source tree both are
 * TypeScript, which is read by tsx; built they are JavaScript.
 */
export function ownProgram(module: string, name: string): readonly string[] {
  const isSource = module.endsWith('.ts')
  const path = fileURLToPath(new URL(`./${name}${isSource ? '.ts' : '.js'}`, module))
  if (!isSource) return [path]
  return ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href, path]
}
