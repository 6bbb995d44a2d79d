import { type Box, type L8, picture } from '../image/picture.ts'
import type { Init, Mask } from '../pipeline/recipe.ts'
import type { Painter } from './painter.ts'

/** Sides of a picture that can be painted on. */
export const sides = ['left', 'right', 'up', 'down'] as const
export type Side = (typeof sides)[number]
export type Margins = Readonly<Record<Side, number>>

/** How far each side grows: as asked, and more so that the whole is a multiple of 64. */
export function marginsOf(
  { width, height }: { readonly width: number; readonly height: number },
  pixels: number,
  directions: readonly Side[],
): Margins {
  const asked = (side: Side) => (directions.includes(side) ? pixels : 0)
  const spread = (length: number, before: number, after: number): readonly [number, number] => {
    const grown = Math.ceil((length + before + after) / 64) * 64 - length
    const first = before > 0 ? Math.floor((before * grown) / (before + after)) : 0
    return [first, after > 0 ? grown - first : 0]
  }
  const [left, right] = spread(width, asked('left'), asked('right'))
  const [up, down] = spread(height, asked('up'), asked('down'))
  return { left, right, up, down }
}

/** A white mask with a black rectangle; unlike elsewhere, its right and bottom lines belong to the rectangle. */
export function keeping(width: number, height: number, { left, top, right, bottom }: Box): L8 {
  const mask = picture(1, width, height).data.fill(255)
  for (let y = Math.max(top, 0); y <= Math.min(bottom, height - 1); y++) {
    for (let x = Math.max(left, 0); x <= Math.min(right, width - 1); x++) mask[y * width + x] = 0
  }
  return picture(1, width, height, mask)
}

/** A start with a mask for the overlay and another one for the latents. */
export function maskedInit(
  painter: Painter,
  init: Init,
  pictures: Init['pictures'],
  masks: { readonly overlay: L8; readonly latent: L8; readonly blur: number; readonly content: Mask['content'] },
): Init {
  const mask: Mask = {
    picture: masks.overlay,
    latent: masks.latent,
    blurX: masks.blur,
    blurY: masks.blur,
    invert: false,
    round: true,
    content: masks.content,
    onlyMasked: undefined,
    overlay: painter.options.overlay_inpaint,
    soft: undefined,
  }
  return { ...init, pictures, mask }
}
