import { StudioError } from '../errors.ts'

/** The factor on the learning rate for the optimizer step with this number, from 0. */
export type LrSchedule = (step: number) => number

export interface LrScheduleOptions {
  readonly name: LrScheduleName
  readonly totalSteps: number
  /** Steps over which the factor grows from 0, linearly. */
  readonly warmupSteps: number
  /** Repetitions of `cosine_with_restarts`. */
  readonly cycles: number
  /** Exponent of `polynomial`. */
  readonly power: number
  /** Time scale of `inverse_sqrt`; undefined for the warm-up's length. */
  readonly timescale: number | undefined
  /** Last factor of `cosine_with_min_lr` and `warmup_stable_decay`. */
  readonly minRatio: number
  /** Length of the last part of `warmup_stable_decay`. */
  readonly decaySteps: number
  /** The rate that factor 1 stands for: `polynomial` ends at 10⁻⁷ whatever it is. */
  readonly baseRate: number
  /** `piecewise_constant`: the factor before each step, and after the last of them. */
  readonly pieces: {
    readonly until: readonly { readonly step: number; readonly factor: number }[]
    readonly last: number
  }
}

/** Progress from 0 at the end of the warm-up to 1 at the last step. */
type Shape = (progress: number, step: number, options: LrScheduleOptions) => number

const lastPolynomialRate = 1e-7
const cosineHalf = (x: number) => 0.5 * (1 + Math.cos(Math.PI * x))

const shapes = {
  constant: () => 1,
  constant_with_warmup: () => 1,
  linear: (progress) => Math.max(0, 1 - progress),
  cosine: (progress) => Math.max(0, cosineHalf(progress)),
  cosine_with_restarts: (progress, _, { cycles }) => (progress >= 1 ? 0 : cosineHalf((cycles * progress) % 1)),
  polynomial: (progress, _, { power, baseRate }) => {
    const end = lastPolynomialRate / baseRate
    return progress > 1 ? end : (1 - end) * (1 - progress) ** power + end
  },
  inverse_sqrt: (_, step, { warmupSteps, timescale = warmupSteps > 0 ? warmupSteps : 10_000 }) =>
    1 / Math.sqrt((step + timescale - warmupSteps) / timescale),
  cosine_with_min_lr: (progress, _, { minRatio }) => Math.max(0, cosineHalf(progress) * (1 - minRatio) + minRatio),
  warmup_stable_decay: (_, step, { totalSteps, decaySteps, minRatio }) => {
    const decay = step - (totalSteps - decaySteps)
    if (decay < 0) return 1
    return decay >= decaySteps ? minRatio : cosineHalf(decay / decaySteps) * (1 - minRatio) + minRatio
  },
  piecewise_constant: (_, step, { pieces }) => pieces.until.find((piece) => step < piece.step)?.factor ?? pieces.last,
} as const satisfies Readonly<Record<string, Shape>>

export type LrScheduleName = keyof typeof shapes

export const lrScheduleNames = Object.keys(shapes) as readonly LrScheduleName[]

/** The schedules that start at once, whatever the warm-up. */
const withoutWarmup: ReadonlySet<LrScheduleName> = new Set(['constant', 'piecewise_constant'])

/** A learning-rate schedule by the name trainers know it by. A warm-up that a schedule cannot have is an error. */
export function lrSchedule(options: LrScheduleOptions): LrSchedule {
  const { name, warmupSteps, totalSteps, minRatio } = options
  if (name === 'constant' && warmupSteps > 0) {
    throw new StudioError(
      'bad-request',
      `lr_warmup_steps: ${warmupSteps} steps of warm-up, but the schedule is constant; use constant_with_warmup`,
      { field: 'lr_warmup_steps' },
    )
  }
  const shape: Shape = shapes[name]
  return (step) => {
    if (step < warmupSteps && !withoutWarmup.has(name)) {
      const grown = step / Math.max(1, warmupSteps)
      return name === 'warmup_stable_decay' ? grown * (1 - minRatio) + minRatio : grown
    }
    return shape((step - warmupSteps) / Math.max(1, totalSteps - warmupSteps), step, options)
  }
}
