import { existsSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { StudioError } from '../../errors.ts'
import { replaceFile } from '../../files/replaceFile.ts'
import { flatten } from '../../image/channels.ts'
import { decodePicture } from '../../image/decode.ts'
import { encodePng } from '../../image/encode.ts'
import type { Box, Rgb8 } from '../../image/picture.ts'
import type { Size } from '../buckets.ts'
import type { FindFaces } from '../faces/face.ts'
import { mirrored } from '../framing.ts'
import { includedPictures, type PictureSet, type SetPicture } from '../pictureSet.ts'
import {
  type AutoSizeOptions,
  autoSize,
  type Cut,
  cropBox,
  cropCenter,
  cropFaces,
  cropFocal,
  type FaceCropOptions,
  type SplitOptions,
  splitOversized,
} from './cropPicture.ts'
import type { FocalWeights } from './focalPoint.ts'
import { cropOverlay } from './overlay.ts'

/** How pictures are cut. */
export type CropMode =
  | { readonly kind: 'center'; readonly size: Size }
  | { readonly kind: 'focal'; readonly size: Size; readonly weights: FocalWeights; readonly findFaces?: FindFaces }
  | { readonly kind: 'face'; readonly size: Size; readonly face: FaceCropOptions; readonly findFaces: FindFaces }
  | { readonly kind: 'box'; readonly box: Box; readonly size: Size | undefined }
  | { readonly kind: 'split'; readonly size: Size; readonly split: SplitOptions }
  | { readonly kind: 'auto'; readonly auto: AutoSizeOptions }

export interface CropSetOptions {
  readonly out: string
  readonly mode: CropMode
  /** A mirrored copy of each. */
  readonly hasFlips: boolean
  /** Beside each a picture of what was cut and why. */
  readonly hasOverlays: boolean
  readonly onProgress?: (done: number, total: number, name: string) => void
}

export interface Cropped {
  readonly written: readonly string[]
  readonly failed: readonly { readonly name: string; readonly problem: string }[]
}

/** Cuts all pictures of a set into another folder, with their captions. Nothing there is overwritten. */
export async function cropSet(set: PictureSet, options: CropSetOptions): Promise<Cropped> {
  const { out, mode, onProgress } = options
  if (resolve(out) === resolve(set.root)) {
    throw new StudioError('bad-request', `${out}: cut pictures need a folder of their own`, { field: 'out' })
  }
  const pictures = includedPictures(set)
  const written: string[] = []
  const failed: { name: string; problem: string }[] = []
  for (const [i, picture] of pictures.entries()) {
    onProgress?.(i, pictures.length, picture.name)
    try {
      const source = flatten(await decodePicture(picture.path), '#ffffff')
      written.push(...(await writeCuts(picture, await cutsOf(source, mode), options)))
    } catch (error) {
      if (!(error instanceof StudioError) || error.code === 'no-space') throw error
      failed.push({ name: picture.name, problem: `${picture.name}: ${error.message}` })
    }
  }
  return { written, failed }
}

async function cutsOf(source: Rgb8, mode: CropMode): Promise<readonly Cut[]> {
  switch (mode.kind) {
    case 'center':
      return [cropCenter(source, mode.size)]
    case 'focal':
      return [cropFocal(source, mode.size, mode.weights, await mode.findFaces?.(source))]
    case 'face': {
      const cuts = cropFaces(source, mode.size, await mode.findFaces(source), mode.face)
      if (cuts.length > 0) return cuts
      throw new StudioError('bad-request', `no face of at least ${mode.face.leastSide} pixels was found`)
    }
    case 'box':
      return [cropBox(source, mode.box, mode.size)]
    case 'split':
      return splitOversized(source, mode.size, mode.split)
    case 'auto': {
      const size = autoSize(source, mode.auto)
      if (size) return [cropCenter(source, size)]
      throw new StudioError(
        'bad-request',
        `no size within the limits has the shape of ${source.width}×${source.height}`,
      )
    }
  }
}

async function writeCuts(
  { name, caption, captionPath }: SetPicture,
  cuts: readonly Cut[],
  { out, hasFlips, hasOverlays }: CropSetOptions,
): Promise<readonly string[]> {
  const stem = join(out, name.slice(0, -extname(name).length))
  const written: string[] = []
  const write = async (path: string, source: Rgb8) => {
    if (existsSync(path)) throw new StudioError('bad-request', `${path} is there already`, { field: path })
    replaceFile(path, [await encodePng(source)])
    written.push(path)
  }
  for (const [i, cut] of cuts.entries()) {
    const piece = cuts.length === 1 ? stem : `${stem}-${i + 1}`
    const copies = hasFlips
      ? [[piece, cut.picture] as const, [`${piece}-flipped`, mirrored(cut.picture)] as const]
      : [[piece, cut.picture] as const]
    for (const [path, source] of copies) {
      await write(`${path}.png`, source)
      if (caption !== undefined) replaceFile(path + extname(captionPath), [new TextEncoder().encode(caption)])
    }
    if (hasOverlays) {
      // Beside the set, where no trainer takes it for a picture of it.
      const path = join(out, 'overlays', `${piece.slice(out.length + 1)}.png`)
      await write(path, cropOverlay(cut))
      written.pop()
    }
  }
  return written
}
