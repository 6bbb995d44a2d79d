import { statSync } from 'node:fs'
import { oldModelHash } from '../files/hash.ts'
import type { CatalogEntry } from './catalog.ts'

/** A checkpoint with what is known of its hash. */
export interface CheckpointFile extends CatalogEntry {
  readonly sha256: string | undefined
}

/** What lists show: `folder/name.safetensors [d3d69a5716]`, without brackets until the hash is known. */
export function checkpointTitle({ relativePath, sha256 }: CheckpointFile): string {
  return sha256 === undefined ? relativePath : `${relativePath} [${sha256.slice(0, 10)}]`
}

/** The name that infotexts give a checkpoint where a second one is mentioned. */
export function shortTitle({ stem, sha256 }: CheckpointFile): string {
  return sha256 === undefined ? stem : `${stem} [${sha256.slice(0, 10)}]`
}

/**
 * The checkpoint a person means: by title, path below the folder, path with `_` for `/`, file name with or without
 * extension, ten or all digits of its SHA-256, the eight-digit hash of 2022, or else part of a title, the
 * shortest first; and if none, by what stands before `[…]`.
 */
export function findCheckpoint(files: readonly CheckpointFile[], query: string): CheckpointFile | undefined {
  if (query === '') return undefined
  const exact = files.find((file) => namesOf(file).includes(query))
  if (exact) return exact
  if (/^[0-9a-f]{8}$/.test(query)) {
    const old = files.find(({ path }) => statSync(path).isFile() && oldModelHash(path) === query)
    if (old) return old
  }
  const partial = files
    .filter((file) => checkpointTitle(file).includes(query))
    .sort((a, b) => checkpointTitle(a).length - checkpointTitle(b).length)[0]
  if (partial) return partial
  const withoutHash = query.replace(/\s*\[[^\]]*\]\s*$/, '')
  return withoutHash === query ? undefined : findCheckpoint(files, withoutHash)
}

function namesOf(file: CheckpointFile): readonly string[] {
  const { relativePath, stem, sha256, path } = file
  const withoutExtension = relativePath.replace(/\.(safetensors|ckpt)$/i, '')
  const names = [
    checkpointTitle(file),
    relativePath,
    withoutExtension,
    withoutExtension.replaceAll('/', '_'),
    stem,
    path,
  ]
  return sha256 === undefined ? names : [...names, sha256.slice(0, 10), sha256, shortTitle(file)]
}
