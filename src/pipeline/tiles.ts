import type { Tensor } from '../tensor/tensor.ts'

/** How a picture is cut: squares of `size`, each sharing `overlap` with the next; results are `scale` times as large. */
export interface Tiling {
  readonly size: number
  readonly overlap: number
  readonly scale: number
}

/**
 * Runs [1, C, h, w] tile by tile and joins the results, each fading into the next across their overlap, so that no
 * seam shows. A side that fits one tile is not cut.
 */
export async function inTiles(
  input: Tensor,
  { size, overlap, scale }: Tiling,
  run: (tile: Tensor) => Promise<Tensor>,
): Promise<Tensor> {
  const [, , height, width] = input.shape as [number, number, number, number]
  const tops = starts(height, size, overlap)
  const lefts = starts(width, size, overlap)
  const tileHeight = Math.min(size, height)
  const tileWidth = Math.min(size, width)
  const outHeight = height * scale
  const outWidth = width * scale

  let sum = new Float32Array(0)
  let channels = 0
  const total = new Float32Array(outHeight * outWidth)
  for (const top of tops) {
    for (const left of lefts) {
      const tile = await run(cut(input, top, left, tileHeight, tileWidth))
      if (channels === 0) {
        channels = tile.shape[1]!
        sum = new Float32Array(channels * outHeight * outWidth)
      }
      const across = ramp(tileWidth * scale, overlap * scale, left > 0, left + tileWidth < width)
      const down = ramp(tileHeight * scale, overlap * scale, top > 0, top + tileHeight < height)
      for (let y = 0; y < down.length; y++) {
        for (let x = 0; x < across.length; x++) {
          const weight = down[y]! * across[x]!
          const at = (top * scale + y) * outWidth + left * scale + x
          total[at]! += weight
          for (let c = 0; c < channels; c++) {
            sum[c * total.length + at]! += weight * tile.data[(c * down.length + y) * across.length + x]!
          }
        }
      }
    }
  }
  for (let i = 0; i < sum.length; i++) sum[i]! /= total[i % total.length]!
  return { shape: [1, channels, outHeight, outWidth], data: sum }
}

/** Where tiles begin along one side: evenly spaced, the last ending at the edge, none overlapping by less. */
function starts(length: number, size: number, overlap: number): number[] {
  if (length <= size) return [0]
  const count = Math.ceil((length - overlap) / (size - overlap))
  const unit = 8
  return Array.from({ length: count }, (_, i) =>
    i === count - 1 ? length - size : Math.floor((i * (length - size)) / (count - 1) / unit) * unit,
  )
}

/** Weights across a tile: they rise from the edge that has a neighbour, and fall towards the other. */
function ramp(length: number, overlap: number, hasBefore: boolean, hasAfter: boolean): Float32Array {
  return Float32Array.from({ length }, (_, i) => {
    const rise = hasBefore ? Math.min(1, (i + 0.5) / overlap) : 1
    const fall = hasAfter ? Math.min(1, (length - i - 0.5) / overlap) : 1
    return Math.min(rise, fall)
  })
}

/** The part of [1, C, h, w] that begins at (top, left). */
export function cut({ shape, data }: Tensor, top: number, left: number, height: number, width: number): Tensor {
  const [, channels, , fullWidth] = shape as [number, number, number, number]
  const plane = shape[2]! * fullWidth
  const result = new Float32Array(channels * height * width)
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      const from = c * plane + (top + y) * fullWidth + left
      result.set(data.subarray(from, from + width), (c * height + y) * width)
    }
  }
  return { shape: [1, channels, height, width], data: result }
}
