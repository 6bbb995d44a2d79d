import { expect, test } from 'vitest'
import { numbers } from '../../../test/models/numbered.ts'
import { runOnce } from '../../../test/models/runOnce.ts'
import { alphasCumprod, withZeroTerminalSnr } from '../../diffusion/betas.ts'
import { Graph } from '../../graph/value.ts'
import { sd1 } from '../../models/configs.ts'
import { normalStream } from '../../tensor/random.ts'
import { tensor, zeros } from '../../tensor/tensor.ts'
import { denoisingLoss, type ErrorShape, type NoisingOptions, noised } from './denoising.ts'

const alphas = alphasCumprod(sd1.betas)
const options: NoisingOptions = { alphasCumprod: alphas, target: 'epsilon', noiseOffset: 0, minSnr: undefined }
const latents = numbers('latents', [3, 4, 8, 8])
const timesteps = [0, 400, 999]
const rowOf = (data: Float32Array, row: number) => data.subarray(row * 256, (row + 1) * 256)

test('the noised latent is √ᾱ·x₀ + √(1−ᾱ)·ε, and each target gives x₀ and ε back', () => {
  const [epsilon, v, x0] = (['epsilon', 'v', 'x0'] as const).map((target) =>
    noised(latents, timesteps, normalStream('nv', 5), { ...options, target }),
  )
  for (const [row, timestep] of timesteps.entries()) {
    const [signal, sigma] = [Math.sqrt(alphas[timestep]!), Math.sqrt(1 - alphas[timestep]!)]
    for (const [i, x] of rowOf(epsilon!.noisy.data, row).entries()) {
      const at = row * 256 + i
      expect(signal * latents.data[at]! + sigma * epsilon!.target.data[at]!).toBeCloseTo(x, 5)
      expect(signal * x - sigma * v!.target.data[at]!).toBeCloseTo(latents.data[at]!, 5)
      expect(sigma * x + signal * v!.target.data[at]!).toBeCloseTo(epsilon!.target.data[at]!, 5)
    }
  }
  expect(x0!.target.data).toEqual(latents.data)
})

test('a schedule that ends without signal ends in noise alone', () => {
  const zeroTerminal = { ...options, alphasCumprod: withZeroTerminalSnr(alphas) }
  const { noisy, target } = noised(latents, timesteps, normalStream('nv', 5), zeroTerminal)
  for (const [i, x] of rowOf(noisy.data, 2).entries()) expect(x).toBeCloseTo(rowOf(target.data, 2)[i]!, 3)
})

test('offset noise moves whole channels and belongs to the target', () => {
  const plain = noised(latents, timesteps, normalStream('nv', 5), options)
  const offset = noised(latents, timesteps, normalStream('nv', 5), { ...options, noiseOffset: 0.1 })
  const moved = offset.target.data.map((x, i) => x - plain.target.data[i]!)
  for (let channel = 0; channel < 12; channel++) {
    const pixels = moved.subarray(channel * 64, (channel + 1) * 64)
    expect(Math.max(...pixels) - Math.min(...pixels)).toBeLessThan(1e-5)
    expect(Math.abs(pixels[0]!)).toBeGreaterThan(1e-4)
  }
})

test('min-SNR weights are min(SNR, γ) over what each target makes of an error of x₀', () => {
  const weightsOf = (target: NoisingOptions['target']) => [
    ...noised(latents, timesteps, normalStream('nv', 5), { ...options, target, minSnr: 5 }).weights.data,
  ]
  // SNR 1175.5, 0.737556 and 0.00468192 at these timesteps.
  const snr = timesteps.map((t) => alphas[t]! / (1 - alphas[t]!))
  expect(snr[0]).toBeCloseTo(1175.5, 0)
  expect(snr[2]).toBeCloseTo(0.00468192, 7)
  const close = (found: readonly number[], expected: readonly number[]) =>
    found.forEach((x, i) => {
      expect(x / expected[i]!).toBeCloseTo(1, 5)
    })
  close(weightsOf('epsilon'), [5 / snr[0]!, 1, 1])
  close(weightsOf('v'), [5 / (snr[0]! + 1), snr[1]! / (snr[1]! + 1), snr[2]! / (snr[2]! + 1)])
  close(weightsOf('x0'), [5, snr[1]!, snr[2]!])
})

async function lossOf(shape?: ErrorShape) {
  const graph = new Graph()
  const [prediction, target] = ['prediction', 'target'].map((name) => graph.input(name, [2, 1, 1, 2]))
  graph.output('loss', denoisingLoss(prediction!, target!, graph.input('weights', [2]), shape))
  const feeds = {
    prediction: tensor([1, 3, 0, 2], [2, 1, 1, 2]),
    target: zeros([2, 1, 1, 2]),
    weights: tensor([1, 0.5]),
  }
  return (await runOnce(graph, feeds)).data[0]
}

test('the loss is the weighted mean of each picture’s mean error', async () => {
  expect(await lossOf()).toBeCloseTo((5 + 0.5 * 2) / 2, 5)
  const huber = (e: number) => 2 * 0.1 * (Math.sqrt(e * e + 0.01) - 0.1)
  const [first, second] = [(huber(1) + huber(3)) / 2, huber(2) / 2]
  expect(await lossOf({ kind: 'huber', c: 0.1 })).toBeCloseTo((first + 0.5 * second) / 2, 5)
})
