import { existsSync, readFileSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { StudioError } from '../errors.ts'
import { replaceFile } from '../files/replaceFile.ts'
import { decodePicture } from '../image/decode.ts'
import { encodePng } from '../image/encode.ts'
import { pictureFacts } from '../image/pictureFacts.ts'
import { includedPictures, type PictureSet, type SetPicture } from './pictureSet.ts'

export interface ImportOptions {
  /** Folder that gets `<repeats>_<name>` folders. */
  readonly out: string
  /** Replaces the repeats of every folder. */
  readonly repeats?: number | undefined
  /** Replaces the name of every folder. */
  readonly name?: string | undefined
  readonly onProgress?: (done: number, total: number, name: string) => void
}

export interface Imported {
  readonly pictures: number
  readonly captions: number
  /** Pictures that were rewritten, since trainers would have read them otherwise than they are meant. */
  readonly rewritten: readonly string[]
  /** Pictures that could not be read, with the reason. */
  readonly failed: readonly { readonly name: string; readonly problem: string }[]
}

/**
 * Copies a set, without what is left out of it, into folders a trainer reads: bytes as they are, but pictures that lie
 * on their side by EXIF, are animated, of inks or deeper than 8 bits become upright PNGs. Nothing is overwritten.
 */
export async function importSet(set: PictureSet, options: ImportOptions): Promise<Imported> {
  const pictures = includedPictures(set)
  const captions: string[] = []
  const rewritten: string[] = []
  const failed: { name: string; problem: string }[] = []
  for (const [i, picture] of pictures.entries()) {
    options.onProgress?.(i, pictures.length, picture.name)
    const folder = join(options.out, folderName(picture, options, set))
    if (resolve(folder) === resolve(picture.folder.folder)) {
      throw new StudioError('bad-request', `${folder}: a set cannot be imported into itself`, { field: 'out' })
    }
    try {
      if (await importPicture(picture, folder)) rewritten.push(picture.name)
    } catch (error) {
      if (!(error instanceof StudioError) || error.code === 'no-space') throw error
      failed.push({ name: picture.name, problem: error.message })
      continue
    }
    if (picture.caption === undefined) continue
    replaceFile(join(folder, `${stemOf(picture)}.txt`), [new TextEncoder().encode(picture.caption)])
    captions.push(picture.name)
  }
  return { pictures: pictures.length - failed.length, captions: captions.length, rewritten, failed }
}

/** Writes a picture, and says whether it had to be rewritten. */
async function importPicture(picture: SetPicture, folder: string): Promise<boolean> {
  const { path, name } = picture
  const bytes = readFileSync(path)
  const { orientation, space, bits, frames, format } = await pictureFacts(bytes, name)
  // The whole picture is read in any case: one that breaks off would stop a training hours later.
  const decoded = await decodePicture(path)
  const isRewritten = orientation > 1 || space === 'cmyk' || bits > 8 || frames > 1 || format === 'tiff'
  const target = join(folder, isRewritten ? `${stemOf(picture)}.png` : basename(path))
  if (existsSync(target)) throw new StudioError('bad-request', `${target} is there already`, { field: target })
  replaceFile(target, [isRewritten ? await encodePng(decoded) : bytes])
  return isRewritten
}

function folderName({ folder }: SetPicture, { repeats, name }: ImportOptions, { root }: PictureSet): string {
  const plain = basename(resolve(root)).replace(/^\d+_/, '')
  return `${repeats ?? folder.repeats}_${name ?? folder.classTokens ?? plain}`
}

function stemOf({ path }: SetPicture): string {
  return basename(path, extname(path))
}
