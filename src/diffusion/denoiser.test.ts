import { describe, expect, test } from 'vitest'
import { tensor } from '../tensor/tensor.ts'
import { alphasCumprod } from './betas.ts'
import { latentConsistency, type Prediction, predictClean, varianceExploding, variancePreserving } from './denoiser.ts'
import { noiseLevels } from './noiseLevels.ts'

const levels = noiseLevels(alphasCumprod({ start: 0.00085, end: 0.012, timesteps: 1000 }))
const [clean, noise] = [0.7, -1.3]

/** What a perfect UNet says of the clean value and noise above, at ᾱ. */
function perfect(alpha: number, prediction: Prediction): number {
  return prediction === 'epsilon' ? noise : Math.sqrt(alpha) * noise - Math.sqrt(1 - alpha) * clean
}

describe.each(['epsilon', 'v'] as const)('a perfect %s-prediction', (prediction) => {
  test.each([0.05, 1, 14.6])('gives back the clean latent at σ = %d', (sigma) => {
    const x = clean + sigma * noise
    const { scale, timestep } = varianceExploding.input(sigma, levels)
    // The UNet is given √ᾱ·x₀ + √(1−ᾱ)·ε.
    const alpha = 1 / (1 + sigma ** 2)
    expect(scale * x).toBeCloseTo(Math.sqrt(alpha) * clean + Math.sqrt(1 - alpha) * noise, 10)
    expect(levels.sigmaAt(timestep)).toBeCloseTo(sigma, 4)
    const [a, b] = varianceExploding.output(sigma, levels, prediction)
    expect(a * x + b * perfect(alpha, prediction)).toBeCloseTo(clean, 10)
  })

  test.each([0, 17, 999])('gives back the noise at timestep %i', (timestep) => {
    const alpha = levels.alphasCumprod[timestep]!
    const x = Math.sqrt(alpha) * clean + Math.sqrt(1 - alpha) * noise
    expect(variancePreserving.input(timestep, levels)).toEqual({ scale: 1, timestep })
    const [a, b] = variancePreserving.output(timestep, levels, prediction)
    expect(a * x + b * perfect(alpha, prediction)).toBeCloseTo(noise, 10)
  })
})

test('a consistency model’s estimate is the clean latent but for its boundary condition', () => {
  const sigma = levels.sigmas[499]!
  const { scale, timestep } = latentConsistency.input(sigma, levels)
  expect(scale).toBeCloseTo(1 / Math.hypot(1, sigma), 10)
  expect(timestep).toBe(499)
  const [a, b] = latentConsistency.output(sigma, levels, 'epsilon')
  const x = clean + sigma * noise
  const skip = 0.25 / (4990 ** 2 + 0.25)
  expect(a * x + b * noise).toBeCloseTo(skip * x + (4990 / Math.hypot(4990, 0.5)) * clean, 10)
})

test('the clean latent follows from x and ε', () => {
  const alpha = 0.3
  const x = tensor([Math.sqrt(alpha) * clean + Math.sqrt(1 - alpha) * noise])
  expect(predictClean(x, tensor([noise]), alpha).data[0]).toBeCloseTo(clean, 5)
})
