import { firstColumns, productSvd } from '../svd.ts'
import { factors, type LowRankModule } from './lowRank.ts'

/** How the rank of each module is chosen: fixed, or as few as keep what the parameter asks for, up to the rank. */
export interface ResizeOptions {
  readonly rank: number
  /** For every module whose weight has four dimensions, those of one point too, as the original does. */
  readonly convRank: number
  readonly dynamic: { readonly method: DynamicMethod; readonly parameter: number } | undefined
}

export const dynamicMethods = ['sv_ratio', 'sv_cumulative', 'sv_fro'] as const
export type DynamicMethod = (typeof dynamicMethods)[number]

export interface ResizedModule {
  readonly module: LowRankModule
  /** Share of the sum of singular values that is kept, and of their squares' root. */
  readonly keptSum: number
  readonly keptNorm: number
}

/** Modules of other ranks that change their layers as nearly the same as can be; alpha over rank stays. */
export function resized(modules: readonly LowRankModule[], options: ResizeOptions): readonly ResizedModule[] {
  return modules.map((module) => {
    const { u, s, v } = productSvd(module.up, module.down)
    const most = Math.min(module.kernel.length > 0 ? options.convRank : options.rank, s.length)
    const rank = options.dynamic ? Math.max(1, Math.min(dynamicRank(s, options.dynamic), most)) : most
    const scale = module.alpha / module.down.shape[0]
    const sum = (x: Float64Array, f: (value: number) => number) => x.reduce((total, value) => total + f(value), 0)
    const kept = s.slice(0, rank)
    return {
      module: {
        ...module,
        ...factors({ u: firstColumns(u, rank), s: kept, v: firstColumns(v, rank) }),
        alpha: scale * rank,
      },
      keptSum: ratio(sum(kept, Math.abs), sum(s, Math.abs)),
      keptNorm: Math.sqrt(
        ratio(
          sum(kept, (x) => x * x),
          sum(s, (x) => x * x),
        ),
      ),
    }
  })
}

/** One more than what reaches the parameter: singular values above a fraction of the largest, or a share of their sum. */
function dynamicRank(s: Float64Array, { method, parameter }: { method: DynamicMethod; parameter: number }): number {
  const largest = s[0] ?? 0
  if (largest <= 1e-6) return 1
  if (method === 'sv_ratio') return s.filter((value) => value > largest / parameter).length + 1
  const power = method === 'sv_fro' ? 2 : 1
  const total = s.reduce((sum, value) => sum + value ** power, 0)
  let sum = 0
  for (const [i, value] of s.entries()) {
    sum += value ** power
    if (sum / total >= parameter ** power) return i + 2
  }
  return s.length
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 1 : part / whole
}
