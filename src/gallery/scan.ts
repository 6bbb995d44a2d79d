import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { listFiles } from '../pipeline/catalog.ts'
import type { Gallery } from './gallery.ts'

const extensions = ['.png', '.jpg', '.jpeg', '.webp', '.avif', '.gif']

/** Brings a gallery up to date with its folders, a picture at a time, so that others get their turn. */
export async function scan(gallery: Gallery, signal?: AbortSignal): Promise<void> {
  const known = new Set(gallery.paths())
  for (const path of known) {
    if (signal?.aborted) return
    if (!existsSync(path)) gallery.forget(path)
  }
  for (const root of gallery.roots) {
    for (const { path } of listFiles(root, extensions)) {
      if (signal?.aborted) return
      if (known.has(path)) continue
      await gallery.add(path)
      await setTimeout(1)
    }
  }
}
