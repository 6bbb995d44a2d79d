import { StudioError } from '../../errors.ts'
import { flatten } from '../../image/channels.ts'
import { decodePicture } from '../../image/decode.ts'
import type { Rgb8 } from '../../image/picture.ts'
import { includedPictures, type PictureSet } from '../pictureSet.ts'
import { captionOf, tagsOf } from '../tags/caption.ts'
import { saveCaptions } from '../tags/captionFiles.ts'
import { dedupe } from '../tags/edit.ts'

/** What becomes of a caption that is there: it stays and its picture is passed over, goes, or is joined. */
export type Conflict = 'ignore' | 'replace' | 'append' | 'prepend'

export interface TagSetOptions {
  readonly tag: (source: Rgb8) => Promise<readonly string[]>
  readonly conflict: Conflict
  readonly onProgress?: (done: number, total: number, name: string) => void
}

export interface Tagged {
  readonly captions: ReadonlyMap<string, string>
  readonly written: readonly string[]
  readonly passedOver: readonly string[]
  readonly failed: readonly { readonly name: string; readonly problem: string }[]
}

/** Writes a caption beside every picture of a set; old ones are kept as backups, and one save takes all back. */
export async function tagSet(set: PictureSet, { tag, conflict, onProgress }: TagSetOptions): Promise<Tagged> {
  const pictures = includedPictures(set)
  const captions = new Map<string, string>()
  const passedOver: string[] = []
  const failed: { name: string; problem: string }[] = []
  for (const [i, { name, path, caption, captionProblem }] of pictures.entries()) {
    onProgress?.(i, pictures.length, name)
    const isThere = captionProblem !== undefined || (caption !== undefined && caption.trim() !== '')
    if (isThere && conflict === 'ignore') {
      passedOver.push(name)
      continue
    }
    if (captionProblem !== undefined && conflict !== 'replace') {
      failed.push({ name, problem: `${name}: its caption is ${captionProblem}` })
      continue
    }
    try {
      const tags = await tag(flatten(await decodePicture(path), '#ffffff'))
      captions.set(name, joined(caption ?? '', tags, conflict))
    } catch (error) {
      // A model that does not fit fails for every picture alike.
      if (!(error instanceof StudioError) || ['wrong-architecture', 'no-space'].includes(error.code)) throw error
      failed.push({ name, problem: error.message })
    }
  }
  const { written } = saveCaptions(set, captions)
  return { captions, written, passedOver, failed }
}

function joined(before: string, tags: readonly string[], conflict: Conflict): string {
  const old = conflict === 'append' || conflict === 'prepend' ? tagsOf(before) : []
  return dedupe(captionOf(conflict === 'prepend' ? [...tags, ...old] : [...old, ...tags]))
}
