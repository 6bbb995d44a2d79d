import { expect, test } from 'vitest'
import { numbers } from '../../test/models/numbered.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { tinyVae } from '../../test/train/tinyRuns.ts'
import { sd1 } from '../models/configs.ts'
import { decoderGraph, encoderGraph } from '../models/graphs.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { entryOf } from './checkpoint.ts'
import { whitened } from './frozenParts.ts'
import type { Parameters } from './parameters.ts'
import { initialVae } from './vaeTask.ts'

const vae = { ...tinyVae.model, normGroups: 4 }
const config = { ...sd1, vae }
const entries = (parameters: Parameters) => new Map([...parameters].map(([name, x]) => [name, entryOf(name, x)]))
const moments = (parameters: Parameters, picture: Tensor) =>
  runOnce(encoderGraph(config, { weights: entries(parameters) }), { picture })
const picture = numbers('picture', [1, 3, 16, 16])

test('whitened latents are (z − mean)/deviation, and give the same picture', async () => {
  const raw = initialVae(vae, 1)
  const statistics = { means: [0.5, -1, 2, 0], deviations: [2, 0.5, 3, 1] }
  const white = whitened(raw, statistics)
  const [before, after] = [await moments(raw, picture), await moments(white, picture)]
  const area = 4
  for (let i = 0; i < 8 * area; i++) {
    const c = Math.floor(i / area) % 4
    const [mean, deviation] = [statistics.means[c]!, statistics.deviations[c]!]
    const expected = i < 4 * area ? (before.data[i]! - mean) / deviation : before.data[i]! - 2 * Math.log(deviation)
    expect(after.data[i]).toBeCloseTo(expected, 4)
  }
  const decode = (parameters: Parameters, { data }: Tensor) =>
    runOnce(decoderGraph(config, { weights: entries(parameters) }), {
      latent: { shape: [1, 4, 2, 2], data: data.slice(0, 4 * area) },
    })
  const [first, second] = [await decode(raw, before), await decode(white, after)]
  expect(relativeError(second, first)).toBeLessThan(1e-5)
})
