import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Model } from '../pipeline/model.ts'
import { openStudio, type Studio, type StudioSettings } from '../pipeline/studio.ts'

/** A studio with a data folder of its own, which goes with it. */
export interface LoneStudio {
  readonly folder: string
  readonly studio: Studio
  dispose(): Promise<void>
}

/** A studio whose only checkpoint is the base of a training, for previews: what is learnt is put beside it. */
export function openAlone({ checkpoint, vae }: Model, settings: StudioSettings): LoneStudio {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-preview-'))
  for (const part of ['Stable-diffusion', 'Lora', 'VAE']) mkdirSync(join(folder, 'models', part), { recursive: true })
  symlinkSync(resolve(checkpoint.path), join(folder, 'models', 'Stable-diffusion', basename(checkpoint.path)))
  const yaml = checkpoint.path.replace(/\.\w+$/, '.yaml')
  if (existsSync(yaml)) symlinkSync(resolve(yaml), join(folder, 'models', 'Stable-diffusion', basename(yaml)))
  if (vae) {
    // A VAE beside the checkpoint and named like it is the one that is used.
    const name = basename(checkpoint.path).replace(/\.\w+$/, '')
    symlinkSync(
      resolve(vae.path),
      join(folder, 'models', 'Stable-diffusion', `${name}.vae${vae.path.slice(vae.path.lastIndexOf('.'))}`),
    )
  }
  const studio = openStudio(folder, settings)
  return {
    folder,
    studio,
    dispose: async () => {
      await studio.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
