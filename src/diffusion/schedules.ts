import { StudioError } from '../errors.ts'
import { betaQuantile } from './betaDistribution.ts'
import type { NoiseLevels } from './noiseLevels.ts'

/** What bends schedules away from their defaults. */
export interface ScheduleOptions {
  /** Range of σ; 0 for that of the model. Schedules over the model's own timesteps keep to those. */
  readonly sigmaMin: number
  readonly sigmaMax: number
  /** Curvature; 0 for the schedule's own. */
  readonly rho: number
  /** Shape of the beta distribution. */
  readonly betaAlpha: number
  readonly betaBeta: number
  /** σ from 10 to 0.1, as the first Karras schedules of A1111 had it. */
  readonly useOldKarrasSigmas: boolean
}

/** What a schedule spaces: n noise levels between two of a model. */
interface Span {
  readonly n: number
  readonly sigmaMin: number
  readonly sigmaMax: number
  readonly rho: number
  readonly levels: NoiseLevels
  readonly options: ScheduleOptions
}

/** A spacing of sigmas as A1111 offers it. */
interface Schedule {
  readonly label: string
  readonly name: string
  /** A further name, known only behind a sampler's. */
  readonly alias?: string
  /** ρ where the schedule has one. */
  readonly rho?: number
  /** σ descending, with the final 0 where there is one. */
  readonly space: (span: Span) => readonly number[]
}

/**
 * Every spacing of sigmas, in the order A1111 lists them. Values are rounded to float32 where the reference rounds:
 * Brownian noise is looked up by them, and its finest grid is about as fine.
 */
const schedules = [
  { label: 'Uniform', name: 'uniform', space: uniform },
  { label: 'Karras', name: 'karras', rho: 7, space: karras },
  { label: 'Exponential', name: 'exponential', space: exponential },
  { label: 'Polyexponential', name: 'polyexponential', rho: 1, space: polyexponential },
  { label: 'SGM Uniform', name: 'sgm_uniform', alias: 'SGMUniform', space: sgmUniform },
  { label: 'KL Optimal', name: 'kl_optimal', space: klOptimal },
  { label: 'Align Your Steps', name: 'align_your_steps', space: alignYourSteps },
  { label: 'Simple', name: 'simple', space: simple },
  { label: 'Normal', name: 'normal', space: normal },
  { label: 'DDIM', name: 'ddim', space: ddim },
  { label: 'Beta', name: 'beta', space: beta },
] as const satisfies readonly Schedule[]

/** A spacing of sigmas by A1111's label. */
export type ScheduleLabel = (typeof schedules)[number]['label']

/** Every spacing of sigmas: its label, its other names, and its curvature where it has one. */
export const scheduleList: readonly (Omit<Schedule, 'space' | 'label'> & { label: ScheduleLabel })[] = schedules

/** The schedule of a label or name, exactly as spelled. */
export function findSchedule(wanted: string): ScheduleLabel | undefined {
  return scheduleList.find(({ label, name }) => label === wanted || name === wanted)?.label
}

/** σ of `n` steps, descending; all schedules but KL Optimal end in 0. Some give a few more or fewer than asked. */
export function spaceSigmas(
  label: ScheduleLabel,
  n: number,
  levels: NoiseLevels,
  options: ScheduleOptions,
): readonly number[] {
  if (n < 1) return [0]
  const schedule: Schedule | undefined = schedules.find((each) => each.label === label)
  if (!schedule) throw new Error(`internal: no schedule ${label}`)
  const old = options.useOldKarrasSigmas
  const sigmaMin = options.sigmaMin !== 0 ? options.sigmaMin : old ? 0.1 : levels.sigmas[0]!
  const sigmaMax = options.sigmaMax !== 0 ? options.sigmaMax : old ? 10 : levels.sigmas.at(-1)!
  for (const [field, sigma] of [
    ['sigma_min', sigmaMin],
    ['sigma_max', sigmaMax],
  ] as const) {
    if (!(sigma > 0)) throw new StudioError('bad-request', `${field}: ${sigma}, expected a number above 0`, { field })
  }
  const rho = schedule.rho !== undefined && options.rho !== 0 ? options.rho : (schedule.rho ?? 1)
  return schedule.space({ n, sigmaMin, sigmaMax, rho, levels, options }).map(Math.fround)
}

/** Evenly spaced timesteps over all that the model was trained at. */
function uniform({ n, levels }: Span): readonly number[] {
  return [...linspace(levels.lastTimestep, levels.firstTimestep, n).map((t) => levels.sigmaAt(t)), 0]
}

/** Karras et al. 2022, Equation 5: n levels with evenly spaced σ^(1/ρ), and a final 0. */
export function karras({ n, sigmaMin, sigmaMax, rho }: Pick<Span, 'n' | 'sigmaMin' | 'sigmaMax' | 'rho'>): number[] {
  const from = Math.fround(sigmaMax ** (1 / rho))
  const across = Math.fround(sigmaMin ** (1 / rho) - sigmaMax ** (1 / rho))
  return [...linspace(0, 1, n).map((share) => Math.fround(from + Math.fround(share * across)) ** rho), 0]
}

/** Evenly spaced ln σ. */
function exponential({ n, sigmaMin, sigmaMax }: Span): readonly number[] {
  return [...linspace(Math.log(sigmaMax), Math.log(sigmaMin), n).map(Math.exp), 0]
}

/** ln σ that lies denser towards the small ones when ρ is above 1. */
function polyexponential({ n, sigmaMin, sigmaMax, rho }: Span): readonly number[] {
  const from = Math.fround(Math.log(sigmaMin))
  const across = Math.fround(Math.log(sigmaMax) - Math.log(sigmaMin))
  const sigmas = linspace(1, 0, n).map((share) => {
    const bent = Math.fround(share ** rho)
    return Math.exp(Math.fround(Math.fround(bent * across) + from))
  })
  return [...sigmas, 0]
}

/** Evenly spaced timesteps, the first n of n + 1: as Stability's later models were sampled. */
function sgmUniform({ n, sigmaMin, sigmaMax, levels }: Span): readonly number[] {
  const timesteps = linspace(levels.timestepOf(sigmaMax), levels.timestepOf(sigmaMin), n + 1).slice(0, -1)
  return [...timesteps.map((t) => levels.sigmaAt(t)), 0]
}

/** Sabour et al. 2024, Appendix A: evenly spaced atan σ, with n + 1 levels and no step to 0. */
function klOptimal({ n, sigmaMin, sigmaMax }: Span): readonly number[] {
  const low = Math.fround(Math.atan(Math.fround(sigmaMin)))
  const high = Math.fround(Math.atan(Math.fround(sigmaMax)))
  return Array.from({ length: n + 1 }, (_, i) => {
    const share = Math.fround(i / n)
    return Math.tan(Math.fround(Math.fround(share * low) + Math.fround(Math.fround(1 - share) * high)))
  })
}

/** Levels that Sabour et al. 2024 optimised for Stable Diffusion 1.5. */
const alignedSigmas = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]

/** Align Your Steps (Sabour et al. 2024): optimised levels, with ln σ linear between them. */
function alignYourSteps({ n }: Span): readonly number[] {
  if (n === alignedSigmas.length) return [...alignedSigmas, 0]
  // A single step takes the end of the curve, not its start, as the reference does.
  if (n === 1) return [alignedSigmas.at(-1)!, 0]
  const sigmas = Array.from({ length: n }, (_, i) => {
    const at = (i / (n - 1)) * (alignedSigmas.length - 1)
    const before = Math.min(Math.floor(at), alignedSigmas.length - 2)
    const share = at - before
    return alignedSigmas[before]! ** (1 - share) * alignedSigmas[before + 1]! ** share
  })
  return [...sigmas, 0]
}

/** Every (1000/n)-th of the trained levels, from the top. */
function simple({ n, levels: { sigmas } }: Span): readonly number[] {
  const stride = sigmas.length / n
  return [...Array.from({ length: n }, (_, i) => sigmas.at(-1 - Math.trunc(i * stride))!), 0]
}

/** Evenly spaced timesteps between those of the two ends. */
function normal({ n, sigmaMin, sigmaMax, levels }: Span): readonly number[] {
  const timesteps = linspace(levels.timestepOf(sigmaMax), levels.timestepOf(sigmaMin), n)
  return [...timesteps.map((t) => levels.sigmaAt(t)), 0]
}

/** The levels of the original DDIM: every ⌊1000/n⌋-th from the second on, so that n rarely divides them evenly. */
function ddim({ n, levels: { sigmas } }: Span): readonly number[] {
  const stride = Math.max(Math.floor(sigmas.length / n), 1)
  return [...sigmas.filter((_, i) => i > 0 && (i - 1) % stride === 0).reverse(), 0]
}

/** Quantiles of a beta distribution (Lee et al. 2024), here spread over σ itself. */
function beta({ n, sigmaMin, sigmaMax, options }: Span): readonly number[] {
  const sigmas = Array.from({ length: n }, (_, i) => {
    const probability = n > 1 ? 1 - i / (n - 1) : 1
    return sigmaMin + betaQuantile(probability, options.betaAlpha, options.betaBeta) * (sigmaMax - sigmaMin)
  })
  return [...sigmas, 0]
}

/** n evenly spaced numbers; float32 steps counted from the nearer end, as PyTorch counts them. */
function linspace(start: number, end: number, n: number): number[] {
  const from = Math.fround(start)
  const to = Math.fround(end)
  const step = n > 1 ? Math.fround(Math.fround(to - from) / (n - 1)) : 0
  return Array.from({ length: n }, (_, i) =>
    Math.fround(i < Math.floor(n / 2) || n === 1 ? from + step * i : to - step * (n - 1 - i)),
  )
}
