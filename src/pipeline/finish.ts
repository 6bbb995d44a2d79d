import { matchColors } from '../image/colorCorrection.ts'
import { overlayOf, uncroppedMask, withOverlay } from '../image/overlay.ts'
import type { Rgb8, Rgba8 } from '../image/picture.ts'
import { maskLike } from '../image/resizeMode.ts'
import { differenceMask } from '../image/softInpaint.ts'
import { rows, type Tensor } from '../tensor/tensor.ts'
import type { MaskedState, StartState } from './initLatent.ts'
import type { Mask, Recipe } from './recipe.ts'

/** A batch's latents, and those of the start pictures. */
interface Latents {
  readonly latent: Tensor
  readonly original: Tensor | undefined
}

/**
 * Decoded pictures as they are handed out: colours matched and what was not to be painted laid over them. `offset`
 * counts from the first start picture.
 */
export function finishPictures(
  recipe: Recipe,
  start: StartState | undefined,
  { latent, original }: Latents,
  offset: number,
  pictures: readonly Rgb8[],
): Rgb8[] {
  if (!start) return [...pictures]
  const mask = recipe.init?.mask
  const overlays =
    mask && start.masked && mask.overlay
      ? overlaysOf(recipe, mask, start.masked, { latent, original }, offset)
      : undefined
  return pictures.map((picture, i) => {
    const colored = start.colors ? matchColors(picture, start.colors[offset + i]!) : picture
    return overlays ? withOverlay(colored, overlays[i]!, start.masked?.prepared.region) : colored
  })
}

function overlaysOf(
  recipe: Recipe,
  mask: Mask,
  masked: MaskedState,
  { latent, original: before }: Latents,
  offset: number,
): readonly Rgba8[] {
  const { soft } = mask
  if (!soft || !before) return masked.overlays.slice(offset)
  const { region } = masked.prepared
  return masked.originals.slice(offset, offset + latent.shape[0]!).map((original, i) => {
    const changed = differenceMask(rows(before, i, i + 1), rows(latent, i, i + 1), masked.latentMask, soft, recipe)
    const { width, height } = original
    return overlayOf(
      original,
      region ? uncroppedMask(changed, width, height, region) : maskLike(changed, original, 'fit'),
    )
  })
}
