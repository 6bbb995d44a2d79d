import { toRgb, withAlpha } from './channels.ts'
import { alphaComposite, mixed } from './composite.ts'
import { type Box, crop, filled, invert, type L8, pasted, picture, type Rgb8, type Rgba8 } from './picture.ts'
import { straightened } from './resample.ts'
import { fitPicture } from './resizeMode.ts'

/** The original with everything under the mask cut out: what goes back over an inpainted picture. */
export function overlayOf(original: Rgb8, mask: L8): Rgba8 {
  const { width, height } = original
  const opaque = withAlpha(original, filled(1, width, height, [255]))
  // Mixing with nothing multiplies the colour by the alpha too, so what comes out is premultiplied.
  return straightened(mixed(picture(4, width, height), opaque, invert(mask)))
}

/**
 * An inpainted picture under its overlay. With a box, the picture is first laid into that part of an empty picture of
 * the overlay's size (inpainting "only masked"); without one, an overlay of another size is laid on at the top left.
 */
export function withOverlay(inpainted: Rgb8, overlay: Rgba8, box?: Box): Rgb8 {
  if (box) return toRgb(alphaComposite(uncropped(inpainted, overlay.width, overlay.height, box), overlay))
  const { width, height } = inpainted
  return toRgb(alphaComposite(opaque(inpainted), crop(overlay, { left: 0, top: 0, right: width, bottom: height })))
}

/** A picture fitted into a box of an otherwise transparent one. */
function uncropped(source: Rgb8, width: number, height: number, box: Box): Rgba8 {
  const patch = fitPicture(source, 'cover', box.right - box.left, box.bottom - box.top)
  return pasted(picture(4, width, height), opaque(patch), box.left, box.top)
}

/** A mask fitted into a box of an otherwise black one. */
export function uncroppedMask(mask: L8, width: number, height: number, box: Box): L8 {
  const patch = fitPicture(mask, 'cover', box.right - box.left, box.bottom - box.top)
  return pasted(picture(1, width, height), patch, box.left, box.top)
}

function opaque(source: Rgb8): Rgba8 {
  return withAlpha(source, filled(1, source.width, source.height, [255]))
}
