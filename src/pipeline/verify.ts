import { StudioError } from '../errors.ts'
import { comparePictures, type Difference } from '../image/comparePictures.ts'
import type { Rgb8 } from '../image/picture.ts'
import { readInfotext } from '../image/readInfotext.ts'
import type { Recipe } from './recipe.ts'
import { type InfotextRequest, requestFromInfotext } from './wire/requestFromInfotext.ts'

/** Whether a picture is what its infotext says. */
export interface Verdict extends Difference {
  readonly verdict: 'equal' | 'close' | 'different'
  /** What may explain a difference, in words. */
  readonly reasons: readonly string[]
}

/** Decibels from which two renderings differ by no more than rounding does in different programs. */
export const closePsnr = 40

/** The request that repeats a picture, from the infotext its file carries. */
export async function requestOfPicture(bytes: Uint8Array, where: string): Promise<InfotextRequest> {
  const { infotext } = await readInfotext(bytes)
  if (infotext === undefined || infotext === '') {
    throw new StudioError('bad-file', `${where}: carries no generation parameters`, { field: where })
  }
  return requestFromInfotext(infotext, { isReplay: true })
}

/** The request by which a picture can be checked: one that was made from another lacks that. */
export async function verifiableRequest(bytes: Uint8Array, where: string): Promise<InfotextRequest> {
  const request = await requestOfPicture(bytes, where)
  if (request.endpoint === 'txt2img') return request
  throw new StudioError('unsupported', `${where}: was made from another picture, which it does not carry`, {
    field: where,
  })
}

/** Compares a picture with the one its recipe gives now. */
export function judge(original: Rgb8, now: Rgb8, recipe: Recipe): Verdict {
  const difference = comparePictures(original, now)
  const { largest, psnr, sameSize } = difference
  const verdict = largest === 0 ? 'equal' : sameSize && psnr >= closePsnr ? 'close' : 'different'
  const reasons = [...recipe.notes]
  if (!sameSize) reasons.push('the two pictures differ in size')
  else if (verdict === 'close') reasons.push('the differences are those of rounding, as between programs or devices')
  else if (verdict === 'different') {
    reasons.push('the picture was changed afterwards, or made with files or settings that its text does not tell')
  }
  return { ...difference, verdict, reasons }
}
