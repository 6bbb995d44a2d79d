import { expect, test } from 'vitest'
import { numberedWeights, numbers } from '../../test/models/numbered.ts'
import { recorded } from '../../test/models/recorded.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { simplify } from '../graph/simplify.ts'
import { float32Emit } from '../nn/emit.ts'
import { decoderGraph, encoderGraph } from './graphs.ts'

test.each(recorded('vae').map((result) => [result.name, result] as const))(
  '%s equals what the diffusers autoencoder gives',
  async (_, { name, config, size, isTiling, expected }) => {
    const { latentChannels, mult } = config.vae
    const emit = { ...float32Emit, padding: isTiling ? 'circular' : 'zeros' } as const
    const options = { weights: numberedWeights, emit }
    const [vae, way] = name.split(' ')
    const pixels = size.map((side) => side * 2 ** (mult.length - 1))
    const result =
      way === 'decoded'
        ? await runOnce(simplify(decoderGraph(config, options)), {
            latent: numbers(`${vae} latent`, [2, latentChannels, ...size]),
          })
        : await runOnce(simplify(encoderGraph(config, options)), {
            picture: numbers(`${vae} picture`, [2, 3, ...pixels]),
          })
    expect(relativeError(result, expected)).toBeLessThan(1e-5)
  },
)
