import { StudioError } from '../errors.ts'
import { quote } from '../image/formatInfotext.ts'
import { crop, type Rgb8 } from '../image/picture.ts'
import { asWritten } from './infotext.ts'
import { unknown } from './library.ts'
import type { UpscalerTiles } from './recipe.ts'
import type { Studio } from './studio.ts'
import { upscale } from './upscale.ts'

/** What is to be done with finished pictures: A1111's extras. */
export interface Postprocessing {
  /** Two upscalers' results may be mixed: the share of the second. */
  readonly upscaler: string
  readonly secondUpscaler: string
  readonly secondVisibility: number
  readonly size: { readonly kind: 'scale'; readonly scale: number } | TargetSize
  readonly gfpganVisibility: number
  readonly codeformerVisibility: number
  readonly tiles: UpscalerTiles
  /** Words for the pictures are what is wanted, and nothing else. */
  readonly description?: Description
}

/** What finds words for a picture, and how they are written: A1111's interrogation. */
export interface Description {
  readonly model: 'clip' | 'deepdanbooru'
  /** Where the model lies; undefined where a sentence is all there can be. */
  readonly folder: string | undefined
  /** A BLIP that begins the description with a sentence, and what it is asked. */
  readonly sentence: Sentence | undefined
  /** Where the lists of words lie among which CLIP chooses. */
  readonly lists: string
  readonly skippedLists: readonly string[]
  /** Words of a list that are looked at; 0 for all. */
  readonly longestList: number
  /** What a tagger must be sure of, 0 to 1. */
  readonly threshold: number
  /** By the alphabet, or by how sure it is. */
  readonly isSorted: boolean
  readonly hasSpaces: boolean
  readonly escapesBrackets: boolean
  readonly exclude: readonly string[]
  readonly hasScores: boolean
}

/** A sentence by BLIP; lengths are in tokens. */
interface Sentence {
  /** The file of the model. */
  readonly path: string
  readonly minLength: number
  readonly maxLength: number
  readonly beams: number
}

interface TargetSize {
  readonly kind: 'size'
  readonly width: number
  readonly height: number
  /** What is beyond the size is cut off on both sides. */
  readonly crops: boolean
}

/** A picture that has been worked on, and what infotexts tell of it. */
export interface Postprocessed {
  readonly picture: Rgb8
  readonly infotext: string
}

const mostPixels = 2 ** 28

/** Refuses what cannot be done, before anything is. */
export function checkPostprocessing(
  { library }: Pick<Studio, 'library'>,
  { upscaler, secondUpscaler, gfpganVisibility, codeformerVisibility }: Postprocessing,
): void {
  const faces =
    gfpganVisibility > 0 ? 'gfpgan_visibility' : codeformerVisibility > 0 ? 'codeformer_visibility' : undefined
  if (faces !== undefined) {
    throw new StudioError('unsupported', `${faces}: faces cannot be restored; leave it at 0`, { field: faces })
  }
  for (const [field, name] of [
    ['upscaler_1', upscaler],
    ['upscaler_2', secondUpscaler],
  ] as const) {
    const files = library.upscalers()
    if (!plainNames.has(name) && !files.some(({ stem }) => stem === name)) {
      throw unknown(field, 'upscaler', name, [...files, ...[...plainNames].map((stem) => ({ stem }))])
    }
  }
}

const plainNames: ReadonlySet<string> = new Set(['None', 'Lanczos', 'Nearest'])

/** Enlarges a picture. */
export async function postprocess(studio: Studio, source: Rgb8, wanted: Postprocessing): Promise<Postprocessed> {
  const { upscaler, secondUpscaler, secondVisibility, size } = wanted
  if (upscaler === 'None') return { picture: source, infotext: '' }
  const facts: [string, string][] = [
    size.kind === 'scale'
      ? ['Postprocess upscale by', String(asWritten(size.scale))]
      : ['Postprocess upscale to', `${size.width}x${size.height}`],
  ]
  let picture = await enlarged(studio, source, upscaler, wanted)
  if (size.kind === 'size' && size.crops) facts.push(['Postprocess crop to', `${picture.width}x${picture.height}`])
  facts.push(['Postprocess upscaler', upscaler])
  if (secondUpscaler !== 'None' && secondVisibility > 0) {
    picture = blended(picture, await enlarged(studio, source, secondUpscaler, wanted), secondVisibility)
    facts.push(['Postprocess upscaler 2', secondUpscaler])
  }
  return { picture, infotext: facts.map(([key, value]) => `${key}: ${quote(value)}`).join(', ') }
}

async function enlarged(studio: Studio, source: Rgb8, name: string, { size, tiles }: Postprocessing): Promise<Rgb8> {
  const scale = size.kind === 'scale' ? size.scale : Math.max(size.width / source.width, size.height / source.height)
  const side = (length: number) => Math.max(8, Math.floor((length * scale) / 8) * 8)
  const [width, height] = [side(source.width), side(source.height)]
  if (width * height > mostPixels) {
    throw new StudioError('too-large', `upscaling_resize: a picture of ${width}x${height}`, {
      field: 'upscaling_resize',
    })
  }
  const large = await upscale(source, width, height, studio.upscaler(name, tiles))
  if (size.kind === 'scale' || !size.crops) return large
  const left = Math.floor(large.width / 2) - Math.floor(size.width / 2)
  const top = Math.floor(large.height / 2) - Math.floor(size.height / 2)
  return crop(large, { left, top, right: left + size.width, bottom: top + size.height })
}

/** `share` of the second picture over the first, cut to whole levels. */
function blended(first: Rgb8, second: Rgb8, share: number): Rgb8 {
  return { ...first, data: first.data.map((value, i) => value + share * (second.data[i]! - value)) }
}
