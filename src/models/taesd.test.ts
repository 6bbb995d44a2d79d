import { describe, expect, test } from 'vitest'
import { numbers } from '../../test/models/numbered.ts'
import { numberedFile } from '../../test/models/numberedFile.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { approxDecoderGraph } from './approxDecoder.ts'
import { detectTinyCoder, tinyDecoderGraph, tinyEncoderGraph } from './taesd.ts'

// Recorded by scripts/goldens/upscalers.py and coders.py from diffusers and PyTorch.
interface Case {
  readonly input: readonly number[]
  readonly weights: Readonly<Record<string, readonly number[]>>
}
function recorded(golden: string) {
  const file = openWeights(new URL(`goldens/${golden}.safetensors`, import.meta.url).pathname)
  const cases = Object.entries(JSON.parse(file.metadata.get('cases')!) as Record<string, Case>)
  return cases.map(([name, each]) => ({ name, ...each, expected: readWeight(file.entries.get(name)!) }))
}
const decoders = recorded('upscalers').filter(({ name }) => name.startsWith('taesd'))
const coders = recorded('coders')
const encoders = coders.filter(({ name }) => name.startsWith('taesd'))
const fileOf = (name: string, shapes: Case['weights']) => numberedFile(`${name}.pth`, shapes)

describe("TAESD's decoder shows what diffusers decodes", () => {
  test.each(decoders)('$name', async ({ name, input, weights, expected }) => {
    const latent = numbers(`${name} input`, input)
    // Large enough to reach the soft limit of the latent.
    const wide = { ...latent, data: latent.data.map((x) => 4 * x) }
    const picture = await runOnce(tinyDecoderGraph(detectTinyCoder(fileOf(name, weights), 'decoder')), { latent: wide })
    expect(relativeError(picture, expected)).toBeLessThan(1e-5)
  })
})

describe("TAESD's encoder gives the latents that diffusers encodes", () => {
  test.each(encoders)('$name', async ({ name, input, weights, expected }) => {
    const picture = numbers(`${name} input`, input)
    const latent = await runOnce(tinyEncoderGraph(detectTinyCoder(fileOf(name, weights), 'encoder')), { picture })
    expect(relativeError(latent, expected)).toBeLessThan(1e-5)
  })
})

describe('a file of another kind', () => {
  test.each([
    { 'decoder.conv_in.weight': [8, 4, 3, 3] },
    { '1.weight': [8, 4, 3, 3] },
    { '0.weight': [8], '1.weight': [3] },
    encoders[0]!.weights,
  ])('is no decoder', (shapes) => {
    expect(() => detectTinyCoder(fileOf('other', shapes), 'decoder')).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    )
  })

  test('is no encoder', () => {
    expect(() => detectTinyCoder(fileOf('other', decoders[0]!.weights), 'encoder')).toThrow(
      /other\.pth: is not TAESD's encoder/,
    )
  })

  test('is no "Approx NN"', () => {
    const approx = coders.find(({ name }) => name === 'approx')!
    const { 'conv5.weight': _, ...torn } = approx.weights
    for (const shapes of [torn, decoders[0]!.weights]) {
      expect(() => approxDecoderGraph(fileOf('other', shapes))).toThrow(
        expect.objectContaining({ code: 'unsupported' }),
      )
    }
  })
})

test('"Approx NN" decodes to twice the size of the latent, as PyTorch does', async () => {
  const { name, input, weights, expected } = coders.find((each) => each.name === 'approx')!
  const picture = await runOnce(approxDecoderGraph(fileOf(name, weights)), { latent: numbers(`${name} input`, input) })
  expect(picture.shape).toEqual([input[0], 3, 2 * input[2]!, 2 * input[3]!])
  expect(relativeError(picture, expected)).toBeLessThan(1e-5)
})
