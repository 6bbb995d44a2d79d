import { expect, test } from 'vitest'
import { numbers } from '../../../test/models/numbered.ts'
import { Graph } from '../../graph/value.ts'
import { compile } from '../../runtime/compile.ts'
import { type Tensor, tensor, zeros } from '../../tensor/tensor.ts'
import { autoencoderLoss, posterior, sampled } from './autoencoder.ts'

const weights = { gradient: 0.5, gradientScales: 2, kl: 0.01 }

async function lossOf(feeds: { picture: Tensor; reconstruction: Tensor; moments: Tensor; noise: Tensor }) {
  const graph = new Graph()
  const input = (name: keyof typeof feeds) => graph.input(name, feeds[name].shape)
  const latent = posterior(input('moments'))
  const parts = autoencoderLoss(input('picture'), input('reconstruction'), latent, weights)
  for (const [name, value] of Object.entries(parts)) graph.output(name, value)
  graph.output('latent', sampled(latent, input('noise')))
  const session = await compile(graph, { residence: 'mapped', threads: 1 })
  const results = await session.run({ ...feeds })
  await session.dispose()
  return results as Readonly<Record<keyof typeof parts | 'latent', Tensor>>
}

/** Means and log-variances of 2 × 1 × 1 × 2 latents. */
const moments = tensor([0.5, -1, Math.log(4), 0, 0, 0, 0, 100], [2, 2, 1, 2])
const noise = tensor([1, -2, 3, 0], [2, 1, 1, 2])

test('a perfect reconstruction costs only the divergence, whose closed form it is', async () => {
  const picture = numbers('picture', [2, 3, 4, 4])
  const parts = await lossOf({
    picture,
    reconstruction: picture,
    moments: tensor(
      moments.data.map((x) => Math.min(x, 2)),
      moments.shape,
    ),
    noise,
  })
  const nats = (mean: number, logVariance: number) => (mean ** 2 + Math.exp(logVariance) - 1 - logVariance) / 2
  const kl = (nats(0.5, Math.log(4)) + nats(-1, 0) + nats(0, 0) + nats(0, 2)) / 2
  expect(parts.kl.data[0]).toBeCloseTo(kl, 5)
  expect(parts.loss.data[0]).toBeCloseTo(0.01 * kl, 6)
})

test('errors count by themselves and by their differences at each size', async () => {
  // One bright square of 2 × 2 in an error of 4 × 4: at half the size, one bright point.
  const reconstruction = zeros([1, 1, 4, 4])
  for (const i of [0, 1, 4, 5]) reconstruction.data[i] = -0.8
  const unit = zeros([1, 2, 1, 1])
  const parts = await lossOf({
    picture: zeros([1, 1, 4, 4]),
    reconstruction,
    moments: unit,
    noise: zeros([1, 1, 1, 1]),
  })
  const absolute = (0.8 * 4) / 16
  const gradient = 2 * ((0.8 * 2) / 12) + 2 * (0.8 / 2)
  expect(parts.absolute.data[0]).toBeCloseTo(absolute, 6)
  expect(parts.gradient.data[0]).toBeCloseTo(gradient, 6)
  expect(parts.square.data[0]).toBeCloseTo((0.64 * 4) / 16, 6)
  expect(parts.loss.data[0]).toBeCloseTo(absolute + 0.5 * gradient, 6)
})

test('a latent is the mean and as many deviations as the noise says, however large the log-variance', async () => {
  const picture = zeros([2, 3, 4, 4])
  const { latent } = await lossOf({ picture, reconstruction: picture, moments, noise })
  expect([...latent.data].map((x) => Math.round(x * 1e4) / 1e4)).toEqual([2.5, -3, 3, 0])
})
