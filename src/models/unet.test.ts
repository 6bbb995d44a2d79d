import { describe, expect, test } from 'vitest'
import { numberedWeights, numbers } from '../../test/models/numbered.ts'
import { type Recorded, recorded } from '../../test/models/recorded.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { simplify } from '../graph/simplify.ts'
import { type Emit, float32Emit } from '../nn/emit.ts'
import { tensor } from '../tensor/tensor.ts'
import { unetGraph } from './graphs.ts'

const results = recorded('unet')

function predicted({ name, config, size, isTiling, tokenMergingRatio }: Recorded, emit: Partial<Emit> = {}) {
  const padding = isTiling ? 'circular' : 'zeros'
  const [height, width] = size
  const isOpen = tokenMergingRatio === 0 && size.every((side) => side % 2 ** (config.unet.mult.length - 1) === 0)
  const graph = unetGraph(config, {
    weights: numberedWeights,
    emit: { ...float32Emit, padding, ...emit },
    tokenMergingRatio,
    ...(!isOpen && { size: { height, width } }),
  })
  return runOnce(simplify(graph), {
    latent: numbers(`${name} latent`, [2, config.unet.inChannels, height, width]),
    timesteps: tensor([801, 3.25]),
    context: numbers(`${name} context`, [2, 7, config.unet.contextWidth]),
  })
}

describe('the UNet predicts what diffusers does', () => {
  test.each(results.map((result) => [result.name, result] as const))('%s', async (_, result) => {
    expect(relativeError(await predicted(result), result.expected)).toBeLessThan(1e-5)
  })

  test('built from primitive operators', async () => {
    const primitive = { attention: 'primitive', activation: 'primitive' } as const
    expect(relativeError(await predicted(results[0]!, primitive), results[0]!.expected)).toBeLessThan(1e-5)
  })
})
