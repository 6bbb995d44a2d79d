import type { Tensor } from '../tensor/tensor.ts'
import { antialiasTaps, cubicWeight, kernels, type Taps } from './taps.ts'

/** The ways `torch.nn.functional.interpolate` resizes, pixel centres half a step in (align_corners=false). */
export type Interpolation =
  | 'nearest'
  | 'nearest-exact'
  | 'bilinear'
  | 'bilinear-antialias'
  | 'bicubic'
  | 'bicubic-antialias'

/** One input per output: ⌊(out + offset)·scale⌋, in float32 because that decides which side a tie falls. */
function nearestTaps(sizeIn: number, sizeOut: number, offset: number): Taps {
  const scale = Math.fround(sizeIn / sizeOut)
  const first = Int32Array.from({ length: sizeOut }, (_, out) =>
    Math.min(Math.floor(Math.fround((out + offset) * scale)), sizeIn - 1),
  )
  const ones = { count: new Int32Array(sizeOut).fill(1), weights: new Float64Array(sizeOut).fill(1), stride: 1 }
  return { first, ...ones }
}

/** Two neighbours; positions before the first centre take the first value. */
function linearTaps(sizeIn: number, sizeOut: number): Taps {
  const first = new Int32Array(sizeOut)
  const count = new Int32Array(sizeOut)
  const weights = new Float64Array(sizeOut * 2)
  for (let out = 0; out < sizeOut; out++) {
    const at = Math.max((out + 0.5) * (sizeIn / sizeOut) - 0.5, 0)
    const left = Math.min(Math.floor(at), sizeIn - 1)
    first[out] = left
    count[out] = left === sizeIn - 1 ? 1 : 2
    weights[out * 2] = count[out] === 1 ? 1 : 1 - (at - left)
    weights[out * 2 + 1] = at - left
  }
  return { first, count, weights, stride: 2 }
}

/** Four neighbours with a = −3/4; those outside repeat the edge, so their weight is added to it. */
function cubicTaps(sizeIn: number, sizeOut: number): Taps {
  const first = new Int32Array(sizeOut)
  const count = new Int32Array(sizeOut)
  const weights = new Float64Array(sizeOut * 4)
  for (let out = 0; out < sizeOut; out++) {
    const at = (out + 0.5) * (sizeIn / sizeOut) - 0.5
    const base = Math.floor(at)
    const inside = (index: number) => Math.min(Math.max(index, 0), sizeIn - 1)
    first[out] = inside(base - 1)
    count[out] = inside(base + 2) - first[out]! + 1
    for (let tap = -1; tap <= 2; tap++) {
      weights[out * 4 + inside(base + tap) - first[out]!]! += cubicWeight(at - base - tap, -0.75)
    }
  }
  return { first, count, weights, stride: 4 }
}

const tapsOf: { readonly [mode in Interpolation]: (sizeIn: number, sizeOut: number) => Taps } = {
  nearest: (sizeIn, sizeOut) => nearestTaps(sizeIn, sizeOut, 0),
  'nearest-exact': (sizeIn, sizeOut) => nearestTaps(sizeIn, sizeOut, 0.5),
  bilinear: linearTaps,
  'bilinear-antialias': (sizeIn, sizeOut) => antialiasTaps(sizeIn, sizeOut, kernels.bilinear),
  bicubic: cubicTaps,
  'bicubic-antialias': (sizeIn, sizeOut) => antialiasTaps(sizeIn, sizeOut, kernels.bicubic),
}

/** A latent or picture [B, C, h, w] at another height and width, as torch resizes floating-point images. */
export function interpolate(x: Tensor, size: readonly [height: number, width: number], mode: Interpolation): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number]
  const [newHeight, newWidth] = size
  if (x.shape.length !== 4 || newHeight < 1 || newWidth < 1) {
    throw new Error(`internal: interpolate [${x.shape}] to ${newHeight}x${newWidth}`)
  }
  const across = tapsOf[mode](width, newWidth)
  const down = tapsOf[mode](height, newHeight)
  const data = new Float32Array(batch * channels * newHeight * newWidth)
  const wide = new Float32Array(height * newWidth)
  for (let plane = 0; plane < batch * channels; plane++) {
    const source = x.data.subarray(plane * height * width, (plane + 1) * height * width)
    for (let y = 0; y < height; y++) {
      for (let out = 0; out < newWidth; out++) {
        let sum = 0
        for (let i = 0; i < across.count[out]!; i++) {
          sum += source[y * width + across.first[out]! + i]! * across.weights[out * across.stride + i]!
        }
        wide[y * newWidth + out] = sum
      }
    }
    const result = data.subarray(plane * newHeight * newWidth, (plane + 1) * newHeight * newWidth)
    for (let out = 0; out < newHeight; out++) {
      for (let column = 0; column < newWidth; column++) {
        let sum = 0
        for (let i = 0; i < down.count[out]!; i++) {
          sum += wide[(down.first[out]! + i) * newWidth + column]! * down.weights[out * down.stride + i]!
        }
        result[out * newWidth + column] = sum
      }
    }
  }
  return { shape: [batch, channels, newHeight, newWidth], data }
}
