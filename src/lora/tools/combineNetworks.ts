import { StudioError } from '../../errors.ts'
import { type Matrix, multiply } from '../matrix.ts'
import { firstColumns, productSvd } from '../svd.ts'
import { clamped, factors, hasKernel, type LowRankModule, rankOf } from './lowRank.ts'

/** Networks to be made one, each with its strength. */
export interface WeighedNetwork {
  readonly name: string
  readonly modules: readonly LowRankModule[]
  readonly ratio: number
}

/**
 * The sum of networks, exactly: of each layer the ranks side by side, which add up. Strengths and scales go into the
 * matrices, and alpha is the rank.
 */
export function concatenated(networks: readonly WeighedNetwork[]): readonly LowRankModule[] {
  return eachLayer(networks, (parts) => {
    const rank = parts.reduce((sum, { module }) => sum + rankOf(module), 0)
    const [first] = parts
    const { up, down } = first!.module
    const [rows, columns] = [up.shape[0], down.shape[1]]
    const ups = new Float32Array(rows * rank)
    const downs = new Float32Array(rank * columns)
    let from = 0
    for (const { module, ratio } of parts) {
      const own = rankOf(module)
      const scale = (ratio * module.alpha) / own
      const root = Math.sqrt(Math.abs(scale))
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < own; j++) ups[i * rank + from + j] = module.up.data[i * own + j]! * root
      for (let i = 0; i < module.down.data.length; i++)
        downs[from * columns + i] = module.down.data[i]! * root * Math.sign(scale)
      from += own
    }
    return {
      ...first!.module,
      up: { shape: [rows, rank], data: ups },
      down: { shape: [rank, columns], data: downs },
      alpha: rank,
    }
  })
}

/**
 * What kohya's plain merge makes of networks of one rank: sums of their matrices, which are not the matrices of their
 * sum. The first network's alpha holds, and a ratio counts in both matrices.
 */
export function summedFactors(networks: readonly WeighedNetwork[]): readonly LowRankModule[] {
  return eachLayer(networks, (parts) => {
    const [first] = parts
    const { alpha, up, down } = first!.module
    const [ups, downs] = [new Float32Array(up.data.length), new Float32Array(down.data.length)]
    for (const { module, ratio, network } of parts) {
      if (rankOf(module) !== rankOf(first!.module)) {
        throw new StudioError(
          'bad-request',
          `${network}: ${module.name} has rank ${rankOf(module)}, the others ${rankOf(first!.module)}; merge exactly or by SVD`,
          {
            field: network,
          },
        )
      }
      const scale = Math.sqrt(module.alpha / alpha) * ratio
      for (let i = 0; i < ups.length; i++) ups[i] = ups[i]! + Math.abs(scale) * module.up.data[i]!
      for (let i = 0; i < downs.length; i++) downs[i] = downs[i]! + scale * module.down.data[i]!
    }
    return { ...first!.module, up: { ...up, data: ups }, down: { ...down, data: downs } }
  })
}

/** The sum of networks at another rank: of each layer's whole change the largest singular values. */
export function mergedBySvd(
  networks: readonly WeighedNetwork[],
  ranks: { readonly rank: number; readonly convRank: number },
): readonly LowRankModule[] {
  return concatenated(networks).map((module) => {
    const { u, s, v } = productSvd(module.up, module.down)
    const rank = Math.min(hasKernel(module) ? ranks.convRank : ranks.rank, s.length)
    const kept = { u: firstColumns(u, rank), s: s.slice(0, rank), v: firstColumns(v, rank) }
    return { ...module, ...clamped(factors(kept), 0.99), alpha: rank }
  })
}

/** What a module adds to its layer's weight. */
export function changeOf({ up, down, alpha }: LowRankModule): Matrix {
  const { shape, data } = multiply(up, down)
  const scale = alpha / down.shape[0]
  return { shape, data: data.map((x) => x * scale) }
}

interface Part {
  readonly module: LowRankModule
  readonly ratio: number
  readonly network: string
}

/** Layers in order; in each, the networks that have it. */
function eachLayer(
  networks: readonly WeighedNetwork[],
  merge: (parts: readonly Part[]) => LowRankModule,
): readonly LowRankModule[] {
  const layers = new Map<string, Part[]>()
  for (const { name: network, modules, ratio } of networks) {
    for (const module of modules) {
      const parts = layers.get(module.name) ?? []
      const [first] = parts
      if (
        first &&
        (first.module.up.shape[0] !== module.up.shape[0] || first.module.down.shape[1] !== module.down.shape[1])
      ) {
        throw new StudioError(
          'wrong-architecture',
          `${network}: ${module.name} has another shape than in ${first.network}; they are of different models`,
          {
            field: network,
          },
        )
      }
      layers.set(module.name, [...parts, { module, ratio, network }])
    }
  }
  return [...layers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, parts]) => merge(parts))
}
