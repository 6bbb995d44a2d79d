import { toRgb } from '../image/channels.ts'
import { matchColors } from '../image/colorCorrection.ts'
import { cutOut, overlayOf, uncropped, uncroppedMask, withOverlay } from '../image/overlay.ts'
import type { L8, Rgb8, Rgba8 } from '../image/picture.ts'
import { maskLike } from '../image/resizeMode.ts'
import { differenceMask } from '../image/softInpaint.ts'
import { rows, type Tensor } from '../tensor/tensor.ts'
import type { MaskedState, StartState } from './initLatent.ts'
import type { ByProductWish, Mask, Recipe } from './recipe.ts'

/** A batch's latents, and those of the start pictures. */
interface Latents {
  readonly latent: Tensor
  readonly original: Tensor | undefined
}

/** A picture as it is handed out, and what goes out beside it. */
export interface FinishedPicture {
  readonly picture: Rgb8
  readonly byProducts: readonly ByProduct[]
}

export interface ByProduct extends ByProductWish {
  readonly picture: Rgb8 | Rgba8
}

/** Decoded pictures, their colours matched and what was not to be painted laid over them. */
export function finishPictures(
  recipe: Recipe,
  start: StartState | undefined,
  latents: Latents,
  offset: number,
  pictures: readonly Rgb8[],
): FinishedPicture[] {
  const mask = recipe.init?.mask
  const masks = mask && start?.masked && overlayMasksOf(recipe, mask, start.masked, latents, offset)
  return pictures.map((picture, i) => {
    const colored = start?.colors ? matchColors(picture, start.colors[offset + i]!) : picture
    if (!mask || !start?.masked || !masks) return { picture: colored, byProducts: [] }
    const { originals, prepared } = start.masked
    return finishMasked(mask, colored, { original: originals[offset + i]!, mask: masks[i]!, region: prepared.region })
  })
}

interface Cover {
  readonly original: Rgb8
  /** Of the original's size, 255 where the result shows. */
  readonly mask: L8
  readonly region: MaskedState['prepared']['region']
}

/** A painted picture under what its mask leaves of the original. */
export function finishMasked(
  { overlay, byProducts = [] }: Pick<Mask, 'overlay' | 'byProducts'>,
  painted: Rgb8,
  { original, mask, region }: Cover,
): FinishedPicture {
  const { width, height } = original
  // Without an overlay, what was painted of a part stays a picture of that part.
  const denoised = overlay && region ? uncropped(painted, width, height, region) : painted
  const pictureOf = (kind: ByProductWish['kind']) =>
    kind === 'mask' ? toRgb(mask) : cutOut(denoised, maskLike(mask, denoised, 'fit'))
  return {
    picture: overlay ? withOverlay(denoised, overlayOf(original, mask)) : painted,
    byProducts: byProducts.map((wish) => ({ ...wish, picture: pictureOf(wish.kind) })),
  }
}

/** The masks of a batch's overlays; `offset` counts from the first start picture. */
function overlayMasksOf(
  recipe: Recipe,
  { soft }: Mask,
  masked: MaskedState,
  { latent, original: before }: Latents,
  offset: number,
): readonly L8[] {
  if (!soft || !before) return masked.overlayMasks.slice(offset)
  const { region } = masked.prepared
  return masked.originals.slice(offset, offset + latent.shape[0]!).map((original, i) => {
    const changed = differenceMask(rows(before, i, i + 1), rows(latent, i, i + 1), masked.latentMask, soft, recipe)
    const { width, height } = original
    return region ? uncroppedMask(changed, width, height, region) : maskLike(changed, original, 'fit')
  })
}
