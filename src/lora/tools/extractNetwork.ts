import { StudioError } from '../../errors.ts'
import { readWeight } from '../../files/readWeight.ts'
import type { WeightEntry } from '../../files/weights.ts'
import { sizeOf } from '../../tensor/shape.ts'
import { asMatrix } from '../matrix.ts'
import { truncatedSvd } from '../svd.ts'
import { clamped, factors, hasKernel, type LowRankModule } from './lowRank.ts'

/** A layer whose change is extracted. */
export interface ExtractedLayer {
  readonly name: string
  readonly path: string
  readonly model: 'text' | 'unet'
}

export interface ExtractOptions {
  readonly rank: number
  /** For convolutions with a kernel; undefined leaves them out. */
  readonly convRank: number | undefined
  /** The text encoder is left out where no weight of it differs by more than this. */
  readonly minDifference: number
  /** Numbers are limited to ± the value that this share of them lies below. */
  readonly clampShare: number
}

/** The network that brings one model near another: of each layer's difference the largest singular values. */
export function extracted(
  layers: readonly ExtractedLayer[],
  original: ReadonlyMap<string, WeightEntry>,
  tuned: ReadonlyMap<string, WeightEntry>,
  { rank, convRank, minDifference, clampShare }: ExtractOptions,
): readonly LowRankModule[] {
  const difference = ({ path }: ExtractedLayer) => {
    const [before, after] = [original.get(`${path}.weight`), tuned.get(`${path}.weight`)]
    if (!before || !after || sizeOf(before.shape) !== sizeOf(after.shape)) {
      const found = after ? `[${after.shape}]` : 'missing'
      throw new StudioError(
        'wrong-architecture',
        `${path}: is ${found} in the tuned model, [${before?.shape}] in the original`,
        { field: path },
      )
    }
    const [from, to] = [readWeight(before).data, readWeight(after).data]
    return { shape: before.shape, data: to.map((x, i) => x - from[i]!) }
  }
  const text = layers.filter(({ model }) => model === 'text').map((layer) => ({ layer, change: difference(layer) }))
  const hasText = text.some(({ change }) => change.data.some((x) => Math.abs(x) > minDifference))
  const wanted = [
    ...(hasText ? text : []),
    ...layers.filter(({ model }) => model === 'unet').map((layer) => ({ layer, change: undefined })),
  ]
  return wanted.flatMap(({ layer, change = difference(layer) }) => {
    const [out, inputs, ...kernel] = change.shape as [number, number, ...number[]]
    const own = hasKernel({ kernel }) ? convRank : rank
    if (own === undefined) return []
    const kept = Math.min(own, out, sizeOf(change.shape.slice(1)))
    const matrices = clamped(factors(truncatedSvd(asMatrix(change, out), kept)), clampShare)
    return [{ name: layer.name, ...matrices, alpha: kept, kernel, inputs }]
  })
}
