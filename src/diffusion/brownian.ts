import { combine } from '../tensor/combine.ts'
import { firstTorchInteger, normalStream, type RandomSource, type Seed } from '../tensor/random.ts'
import { seedSequence } from '../tensor/seedSequence.ts'
import { sizeOf } from '../tensor/shape.ts'
import { stack, type Tensor } from '../tensor/tensor.ts'
import type { NoiseSource } from './samplers/sampler.ts'

/** What determines the Brownian motion of a batch. */
export interface BrownianNoise {
  readonly source: RandomSource
  /** [channels, height, width] of one latent. */
  readonly shape: readonly number[]
  /** One for each image. */
  readonly seeds: readonly Seed[]
  /** The span of noise levels: smallest above zero and largest of the whole schedule. */
  readonly sigmaMin: number
  readonly sigmaMax: number
}

/**
 * Noise as increments of a Brownian motion over σ, one motion for each image: the same two levels give the same noise
 * whatever the steps between were, so an image keeps its character when the number of steps changes.
 */
export function brownianNoise({ source, shape, seeds, sigmaMin, sigmaMax }: BrownianNoise): NoiseSource {
  const trees = seeds.map((seed) => brownianTree(source, BigInt(seed), [1, ...shape], sigmaMin, sigmaMax))
  return (sigma, sigmaNext) => stack(trees.map((motion) => increment(motion, sigma, sigmaNext)))
}

/**
 * One Brownian motion for a whole batch, as A1111 has it with "do not make DPM++ SDE deterministic across batch
 * sizes". The reference leaves its seed to the global generator, which has just been given the last image's seed.
 */
export function sharedBrownianNoise({ source, shape, seeds, sigmaMin, sigmaMax }: BrownianNoise): NoiseSource {
  const entropy = firstTorchInteger(seeds.at(-1)!, 2n ** 63n - 1n)
  const motion = brownianTree(source, entropy, [seeds.length, ...shape], sigmaMin, sigmaMax)
  return (sigma, sigmaNext) => increment(motion, sigma, sigmaNext)
}

/** The motion's change between two levels, scaled to unit variance. */
function increment(motion: (t: number) => Tensor, sigma: number, sigmaNext: number): Tensor {
  const scale = 1 / Math.sqrt(Math.abs(sigmaNext - sigma))
  return combine([scale, motion(sigmaNext)], [-scale, motion(sigma)])
}

/** An interval of the tree, with the motion across it and the value at its start. */
interface Interval {
  readonly start: number
  readonly end: number
  readonly base: Float32Array
  readonly increment: Float32Array
  /** Place among the intervals of its depth: the name by which its middle is seeded. */
  readonly index: number
  readonly depth: number
  halves: readonly [Interval, Interval] | undefined
}

/**
 * A Brownian motion W over [start, end] with W(start) = 0, as a function of t: torchsde's BrownianTree (Li et al.
 * 2020). The motion at the end is drawn first; the middle of an interval follows from its ends and a number seeded by
 * the interval's place (a Brownian bridge), and intervals are halved until one ends at t.
 */
function brownianTree(
  source: RandomSource,
  entropy: bigint,
  shape: readonly number[],
  start: number,
  end: number,
): (t: number) => Tensor {
  const draw = (path: readonly number[]) => normalStream(source, seedSequence(BigInt.asUintN(64, entropy), path))(shape)
  const t0 = toMicro(start)
  const t1 = toMicro(end)
  const root: Interval = {
    start: t0,
    end: t1,
    base: new Float32Array(sizeOf(shape)),
    increment: combine([Math.sqrt(t1 - t0), draw([])]).data,
    index: 0,
    depth: 0,
    halves: undefined,
  }

  // Only the latest way down is kept: steps walk from one end to the other, so its upper intervals serve again.
  let way: Interval[] = [root]
  let recent: readonly { t: number; value: Tensor }[] = []

  const find = (t: number): Tensor => {
    way = way.filter((interval) => interval.start <= t && t <= interval.end)
    let interval = way.at(-1)!
    while (t !== interval.start && t !== interval.end) {
      interval.halves ??= halve(interval, draw)
      const [left, right] = interval.halves
      const other = t <= left.end ? right : left
      other.halves = undefined
      interval = other === left ? right : left
      way.push(interval)
    }
    const base = { shape, data: interval.base }
    return t === interval.start ? base : combine([1, base], [1, { shape, data: interval.increment }])
  }

  return (at) => {
    const t = Math.min(Math.max(toMicro(at), t0), t1)
    const value = recent.find((known) => known.t === t)?.value ?? find(t)
    recent = [{ t, value }, ...recent.filter((known) => known.t !== t)].slice(0, 3)
    return value
  }
}

function halve(interval: Interval, draw: (path: readonly number[]) => Tensor): readonly [Interval, Interval] {
  const { start, end, base, increment, index, depth } = interval
  const middle = toMicro((start + end) / 2)
  const left = middle - start
  const right = end - middle
  const share = left / (end - start)
  const spread = Math.sqrt(share * right)

  // One loop over plain arrays: an increment takes dozens of halvings.
  const bridge = draw([index, depth]).data
  const first = new Float32Array(bridge.length)
  const second = new Float32Array(bridge.length)
  const between = new Float32Array(bridge.length)
  for (let i = 0; i < bridge.length; i++) {
    first[i] = share * increment[i]! + spread * bridge[i]!
    second[i] = increment[i]! - first[i]!
    between[i] = base[i]! + first[i]!
  }
  const below = { depth: depth + 1, halves: undefined }
  return [
    { ...below, start, end: middle, base, increment: first, index: 2 * index },
    { ...below, start: middle, end, base: between, increment: second, index: 2 * index + 1 },
  ]
}

/**
 * The nearest multiple of 10⁻⁶, ties to even, as the nearest double: the tree's finest grid, on which halving ends.
 */
function toMicro(t: number): number {
  // Only an odd multiple of 2⁻⁷ lies exactly between two neighbours.
  const isTie = Math.abs((t * 128) % 2) === 1
  if (!isTie) return Number(t.toFixed(6))
  const below = Math.floor(t * 1e6)
  return Number(`${below % 2 === 0 ? below : below + 1}e-6`)
}
