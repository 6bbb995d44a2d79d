import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { StudioError } from '../errors.ts'
import type { Model } from '../pipeline/model.ts'
import type { FileIdentity, ModelFiles } from '../pipeline/recipe.ts'
import type { Studio } from '../pipeline/studio.ts'

/**
 * The checkpoint that a training learns beside, and the VAE in place of its own: each a path from `folder` on or a name
 * of the data folder.
 */
export function trainingFiles(
  named: { readonly checkpoint: string; readonly vae: string | undefined },
  field: string,
  { studio, folder }: { readonly studio: Studio; readonly folder: string },
): ModelFiles {
  const fileAt = (path: string): FileIdentity | undefined =>
    path !== '' && existsSync(resolve(folder, path))
      ? { name: basename(path).replace(/\.\w+$/, ''), path: resolve(folder, path), hash: undefined }
      : undefined
  const checkpoint = fileAt(named.checkpoint) ?? studio.library.checkpoint(named.checkpoint, field).identity
  const entry = { path: checkpoint.path, stem: checkpoint.name, relativePath: checkpoint.name }
  const vae = named.vae ? (fileAt(named.vae)?.path ?? studio.library.vae(named.vae, entry, true, 'vae')) : undefined
  return { checkpoint, vae: vae === undefined ? undefined : { name: basename(vae), path: vae, hash: undefined } }
}

/** Refuses models that need more to learn from than pictures. */
export function refuseInpainting({ checkpoint, config }: Model, field: string): void {
  if (config.unet.inChannels === config.unet.outChannels) return
  throw new StudioError(
    'unsupported',
    `${field}: ${checkpoint.name} is an inpainting model, which needs masks to learn from; expected a plain one`,
    { field },
  )
}
