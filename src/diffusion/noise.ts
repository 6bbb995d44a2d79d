import { type NormalStream, normalStream, type RandomSource, type Seed } from '../tensor/random.ts'
import { sameShape } from '../tensor/shape.ts'
import { stack, type Tensor } from '../tensor/tensor.ts'

/** What determines the noise of a batch. */
export interface ImageNoise {
  readonly source: RandomSource
  /** [channels, height, width] of one latent. */
  readonly shape: readonly [number, number, number]
  /** One for each image: batch mates never change an image. */
  readonly seeds: readonly Seed[]
  /** The noise that `variation` moves towards, one for each image. */
  readonly subseeds: readonly Seed[]
  /** 0 is the seed's own noise, 1 the subseed's. */
  readonly variation: number
  /** Latent size whose noise is kept in the middle; undefined where it is this one. */
  readonly resizeFrom: { readonly height: number; readonly width: number } | undefined
  /** Added to the seeds for every draw but the first ("eta noise seed delta"). */
  readonly seedDelta: number
}

/**
 * Draws unit normal noise [batch, channels, height, width], first for the initial latent and then whenever a sampler
 * asks. Each image draws from a generator of its own.
 */
export function imageNoise(settings: ImageNoise): () => Tensor {
  const { source, shape, seeds, seedDelta } = settings
  let streams = seeds.map((seed) => normalStream(source, seed))
  let isFirst = true

  return () => {
    if (!isFirst) return batch(streams.map((stream) => stream(shape)))
    isFirst = false
    const noise = batch(streams.map((stream, image) => initialNoise(settings, image, stream)))
    if (seedDelta !== 0) streams = seeds.map((seed) => normalStream(source, BigInt(seed) + BigInt(seedDelta)))
    return noise
  }
}

function batch(images: readonly Tensor[]): Tensor {
  return stack(images.map(({ shape, data }) => ({ shape: [1, ...shape], data })))
}

function initialNoise(settings: ImageNoise, image: number, stream: NormalStream): Tensor {
  const { source, shape, seeds, subseeds, variation, resizeFrom } = settings
  const drawn = resizeFrom ? [shape[0], resizeFrom.height, resizeFrom.width] : shape
  const isResized = !sameShape(drawn, shape)

  let noise = isResized ? normalStream(source, seeds[image]!)(drawn) : stream(shape)
  if (variation !== 0) noise = slerp(variation, noise, normalStream(source, subseeds[image] ?? 0)(drawn))
  return isResized ? pasteCentred(noise, stream(shape)) : noise
}

/**
 * Spherical interpolation from `low` to `high`, [channels, height, width], for each column of each channel by itself,
 * as A1111 has always done.
 */
function slerp(t: number, low: Tensor, high: Tensor): Tensor {
  const [channels, height, width] = low.shape as [number, number, number]
  const columns = channels * width
  const cosines = new Float64Array(columns)
  for (let column = 0; column < columns; column++) {
    const start = Math.floor(column / width) * height * width + (column % width)
    let dot = 0
    let lowLength = 0
    let highLength = 0
    for (let i = start, y = 0; y < height; y++, i += width) {
      dot += low.data[i]! * high.data[i]!
      lowLength += low.data[i]! ** 2
      highLength += high.data[i]! ** 2
    }
    cosines[column] = dot / Math.sqrt(lowLength * highLength)
  }

  const data = new Float32Array(low.data.length)
  // For nearly parallel noise the weights stand the wrong way round: old pictures depend on it.
  const isParallel = cosines.reduce((sum, cosine) => sum + cosine, 0) / columns > 0.9995
  for (let i = 0; i < data.length; i++) {
    const omega = Math.acos(cosines[Math.floor(i / (height * width)) * width + (i % width)]!)
    const a = isParallel ? t : Math.sin((1 - t) * omega) / Math.sin(omega)
    const b = isParallel ? 1 - t : Math.sin(t * omega) / Math.sin(omega)
    data[i] = a * low.data[i]! + b * high.data[i]!
  }
  return { shape: low.shape, data }
}

/** `around` with `noise` laid over its middle; what is larger than `around` is cut off on all sides. */
function pasteCentred(noise: Tensor, around: Tensor): Tensor {
  const [channels, height, width] = around.shape as [number, number, number]
  const [, fromHeight, fromWidth] = noise.shape as [number, number, number]
  const y = centring(height, fromHeight)
  const x = centring(width, fromWidth)
  const data = around.data.slice()
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < y.count; row++) {
      const source = (c * fromHeight + y.from + row) * fromWidth + x.from
      data.set(noise.data.subarray(source, source + x.count), (c * height + y.to + row) * width + x.to)
    }
  }
  return { shape: around.shape, data }
}

/** Which part of a side is copied where, when the offset is rounded down, also below zero. */
function centring(side: number, fromSide: number): { from: number; to: number; count: number } {
  const offset = Math.floor((side - fromSide) / 2)
  return offset >= 0
    ? { from: 0, to: offset, count: fromSide }
    : { from: -offset, to: 0, count: Math.min(side, fromSide + 2 * offset) }
}
