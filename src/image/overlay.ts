import { toRgb, withAlpha } from './channels.ts'
import { alphaComposite, mixed } from './composite.ts'
import { type Box, crop, filled, invert, type L8, pasted, picture, type Rgb8, type Rgba8 } from './picture.ts'
import { straightened } from './resample.ts'
import { fitPicture } from './resizeMode.ts'

/** What of a picture shows through a mask, 255 for all of it; where the mask is 0, nothing is left of its colour. */
export function cutOut(source: Rgb8 | Rgba8, mask: L8): Rgba8 {
  const { width, height } = source
  // Mixing with nothing multiplies the colour by the alpha too, so what comes out is premultiplied.
  return straightened(mixed(picture(4, width, height), withOpacity(source), mask))
}

/** The original with everything under the mask cut out: what goes back over an inpainted picture. */
export function overlayOf(original: Rgb8, mask: L8): Rgba8 {
  return cutOut(original, invert(mask))
}

/** An inpainted picture under its overlay; one of another size is laid on at the top left. */
export function withOverlay(inpainted: Rgb8 | Rgba8, overlay: Rgba8): Rgb8 {
  const { width, height } = inpainted
  return toRgb(alphaComposite(withOpacity(inpainted), crop(overlay, { left: 0, top: 0, right: width, bottom: height })))
}

/** A picture fitted into a box of an otherwise transparent one: where "only masked" belongs in the original. */
export function uncropped(source: Rgb8, width: number, height: number, box: Box): Rgba8 {
  const patch = fitPicture(source, 'cover', box.right - box.left, box.bottom - box.top)
  return pasted(picture(4, width, height), withOpacity(patch), box.left, box.top)
}

/** A mask fitted into a box of an otherwise black one. */
export function uncroppedMask(mask: L8, width: number, height: number, box: Box): L8 {
  const patch = fitPicture(mask, 'cover', box.right - box.left, box.bottom - box.top)
  return pasted(picture(1, width, height), patch, box.left, box.top)
}

function withOpacity(source: Rgb8 | Rgba8): Rgba8 {
  return source.channels === 4 ? source : withAlpha(source, filled(1, source.width, source.height, [255]))
}
