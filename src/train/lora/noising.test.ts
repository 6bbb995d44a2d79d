import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openWeights } from '../../files/openWeights.ts'
import { readWeight } from '../../files/readWeight.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { withOffset, withPyramid } from './noising.ts'
import { bendAt, timestepWeight, type WeightingOptions } from './weighting.ts'

const vectors = new URL('../../../test/golden-training/vectors/', import.meta.url)
const read = (name: string) => JSON.parse(readFileSync(new URL(name, vectors), 'utf8')) as unknown
const { entries } = openWeights(new URL('noise.safetensors', vectors).pathname)
const recorded = (name: string): Tensor => readWeight(entries.get(name)!)

/** Draws what was recorded, in the order it was drawn. */
const replayed = (names: readonly string[]) => {
  const left = [...names]
  return (shape: readonly number[]): Tensor => {
    const x = recorded(left.shift()!)
    expect(x.shape).toEqual(shape)
    return x
  }
}

const closeTo = (found: Tensor, expected: Tensor) => {
  for (const [i, x] of expected.data.entries()) expect(Math.abs(found.data[i]! - x)).toBeLessThan(2e-6)
}

test.each([
  ['offset0.1', 0.1, undefined],
  ['offset0.05_adaptive0.02', 0.05, 0.02],
  ['offset0.05_adaptive-0.5', 0.05, -0.5],
] as const)('%s is what kohya’s trainer makes of the same draws', (name, offset, adaptiveScale) => {
  const normal = replayed([`${name}.randn`])
  const found = withOffset(recorded('base_noise'), recorded('latents'), { offset, adaptiveScale }, normal)
  closeTo(found, recorded(`${name}.out`))
})

test.each(
  Object.entries(
    read('noise.json') as Record<string, { iterations: number; discount: number; random_draws: number[] }>,
  ),
)('%s is what kohya’s trainer makes of the same draws', (name, { iterations, discount, random_draws }) => {
  const draws = [...random_draws]
  const normal = replayed(random_draws.map((_, i) => `${name}.randn${i}`))
  const found = withPyramid(recorded('base_noise'), { iterations, discount }, normal, () => draws.shift()!)
  closeTo(found, recorded(`${name}.out`))
  expect(draws).toEqual([])
})

const loss = read('loss.json') as Record<string, number[]> & {
  huber_threshold: Record<string, number[]>
  timesteps: number[]
}
const plain: WeightingOptions = {
  prediction: 'epsilon',
  minSnrGamma: undefined,
  scalesLikeNoise: false,
  vLikeLoss: undefined,
  isDebiased: false,
}

test.each<[string, Partial<WeightingOptions>]>([
  ['min_snr_1_eps', { minSnrGamma: 1 }],
  ['min_snr_5_eps', { minSnrGamma: 5 }],
  ['min_snr_20_eps', { minSnrGamma: 20 }],
  ['min_snr_1_v', { minSnrGamma: 1, prediction: 'v' }],
  ['min_snr_5_v', { minSnrGamma: 5, prediction: 'v' }],
  ['min_snr_20_v', { minSnrGamma: 20, prediction: 'v' }],
  ['scale_v', { scalesLikeNoise: true, prediction: 'v' }],
  ['v_pred_like_0.5', { vLikeLoss: 0.5 }],
  ['debiased_eps', { isDebiased: true }],
  ['debiased_v', { isDebiased: true, prediction: 'v' }],
])('weights of timesteps are kohya’s: %s', (name, options) => {
  for (const [i, snr] of loss.all_snr!.entries()) {
    const expected = loss[name]![i]!
    expect(Math.abs(timestepWeight(snr, { ...plain, ...options }) - expected)).toBeLessThan(1e-6 * expected)
  }
})

test.each(Object.keys(loss.huber_threshold))('bends of the Huber loss are kohya’s: %s', (name) => {
  const [, schedule, c, scale] = /^(\w+)_c([\d.]+)_s([\d.]+)$/.exec(name)!
  const options = { schedule: schedule as 'snr', c: Number(c), scale: Number(scale) }
  for (const [i, timestep] of loss.timesteps.entries()) {
    const expected = loss.huber_threshold[name]![i]!
    expect(bendAt(timestep, loss.alphas_cumprod![i]!, options)).toBeCloseTo(expected, 5)
  }
})
