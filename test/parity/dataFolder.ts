import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { golden } from './recorded.ts'

/** A data folder as the reference had it while it was recorded: links to the tiny models, and its config.json. */
export function dataFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'athanor-parity-'))
  const models = join(golden, 'models')
  const link = (from: string, to: string) => {
    mkdirSync(to, { recursive: true })
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      if (!['lora', 'embeddings'].includes(entry.name)) symlinkSync(join(from, entry.name), join(to, entry.name))
    }
  }
  link(models, join(path, 'models', 'Stable-diffusion'))
  link(join(models, 'lora'), join(path, 'models', 'Lora'))
  link(join(models, 'embeddings'), join(path, 'embeddings'))
  copyFileSync(join(golden, 'config.json'), join(path, 'config.json'))
  return { path, remove: () => rmSync(path, { recursive: true }) }
}
