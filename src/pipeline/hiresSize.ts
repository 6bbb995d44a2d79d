import type { HiresTarget } from './recipe.ts'

interface Size {
  readonly width: number
  readonly height: number
}

/** Sizes of the second pass. */
export interface HiresSize {
  /** What the upscaler is asked for. */
  readonly upscaled: Size
  /** How many latent points are cut off, half on each side. */
  readonly cut: Size
  /** What remains, in pixels. */
  readonly picture: Size
}

/**
 * The size to which the first pass is enlarged: by a factor; to one side with the other kept in ratio; or, where both
 * sides are given, so that the picture covers them, what stands over being cut off.
 */
export function hiresSize(target: HiresTarget, { width, height }: Size): HiresSize {
  if (target.kind === 'scale') {
    const upscaled = { width: Math.trunc(width * target.scale), height: Math.trunc(height * target.scale) }
    return { upscaled, cut: { width: 0, height: 0 }, picture: upscaled }
  }
  const byWidth = { width: target.width, height: Math.floor((target.width * height) / width) }
  const byHeight = { width: Math.floor((target.height * width) / height), height: target.height }
  if (target.height === 0) return { upscaled: byWidth, cut: { width: 0, height: 0 }, picture: byWidth }
  if (target.width === 0) return { upscaled: byHeight, cut: { width: 0, height: 0 }, picture: byHeight }
  const upscaled = width / height < target.width / target.height ? byWidth : byHeight
  return {
    upscaled,
    cut: {
      width: Math.floor((upscaled.width - target.width) / 8),
      height: Math.floor((upscaled.height - target.height) / 8),
    },
    picture: { width: target.width, height: target.height },
  }
}
