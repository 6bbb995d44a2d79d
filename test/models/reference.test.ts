import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, describe, expect, test } from 'vitest'
import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import { readSidecars } from '../../src/files/sidecars.ts'
import { simplify } from '../../src/graph/simplify.ts'
import type { Graph } from '../../src/graph/value.ts'
import { detectModel } from '../../src/models/detect.ts'
import { decoderGraph, encoderGraph, textGraph, unetGraph } from '../../src/models/graphs.ts'
import { float32Emit } from '../../src/nn/emit.ts'
import { compile } from '../../src/runtime/compile.ts'
import type { Session } from '../../src/runtime/session.ts'
import { sameShape } from '../../src/tensor/shape.ts'
import { type Tensor, tensor, zeros } from '../../src/tensor/tensor.ts'
import { relativeError } from './runOnce.ts'

const folder = 'test/golden/tensors'
const files = readdirSync(folder)

const sessions = new Map<string, Promise<Session>>()
afterAll(async () => {
  for (const session of sessions.values()) await (await session).dispose()
})

/** The models of a checkpoint as the reference ran them, each compiled once for all cases. */
function models(checkpoint: string, { isTiling, skip }: { isTiling: boolean; skip: number }) {
  const path = `test/golden/models/${checkpoint}.safetensors`
  const { config, weights } = detectModel(openWeights(path), readSidecars(path))
  const options = { weights, emit: { ...float32Emit, padding: isTiling ? 'circular' : 'zeros' } } as const
  const session = (key: string, build: () => Graph) => {
    const known =
      sessions.get(key) ?? compile(simplify(build()), { residence: 'mapped', threads: 1, cacheDir: tmpdir() })
    sessions.set(key, known)
    return known
  }
  const of = `${checkpoint} ${isTiling}`
  return {
    config,
    text: () =>
      session(`${of} text ${skip}`, () => textGraph(config, options, { skip: skip + config.text.skippedLayers })),
    unet: () => session(`${of} unet`, () => unetGraph(config, options)),
    decoder: () => session(`${of} decoder`, () => decoderGraph(config, options)),
    encoder: () => session(`${of} encoder`, () => encoderGraph(config, options)),
  }
}

// A case with an adapter has other weights, one with textual inversions other vectors than its tokens tell.
const plain = files.filter((file) => !/^lora__|^embedding__/.test(file))

describe('every recorded tensor of the reference', () => {
  test.each(plain)('%s', async (file) => {
    const { entries } = openWeights(`${folder}/${file}`)
    const has = (name: string) => entries.has(name)
    const read = (name: string) => readWeight(entries.get(name)!)
    const numbered = (group: string) => {
      const names = [...entries.keys()].filter((name) => name.startsWith(`${group}.`))
      return [...new Set(names.map((name) => name.split('.').slice(0, 2).join('.')))]
    }
    const { config, ...model } = models(file.startsWith('sd2v') ? 'tiny-sd2v' : 'tiny-sd1', {
      isTiling: file.startsWith('tiling'),
      skip: file.startsWith('clipskip') ? 1 : 0,
    })

    for (const call of numbered('te')) {
      const isWeighted = read(`${call}.multipliers`).data.some((weight) => weight !== 1)
      if (isWeighted) continue
      const tokens = read(`${call}.tokens`)
      const { hidden } = await (await model.text()).run({
        tokens: { shape: tokens.shape, data: padded(tokens, config.kind === 'sd2' ? 0 : 49407) },
        injected: zeros([...tokens.shape, config.text.width]),
        isInjected: zeros([...tokens.shape, 1]),
      })
      expect(relativeError(hidden!, read(`${call}.z`)), call).toBeLessThan(1e-5)
    }

    const calls = numbered('unet')
    expect(calls.length).toBeGreaterThan(0)
    for (const call of calls) {
      const { prediction } = await (await model.unet()).run({
        latent: read(`${call}.x`),
        timesteps: read(`${call}.t`),
        context: read(`${call}.context`),
      })
      expect(relativeError(prediction!, read(`${call}.out`)), call).toBeLessThan(1e-5)
    }

    for (const call of numbered('decode')) {
      const latent = read(`${call}.latent`)
      const unscaled = tensor(
        latent.data.map((x) => x / config.scaleFactor),
        latent.shape,
      )
      const { picture } = await (await model.decoder()).run({ latent: unscaled })
      expect(relativeError(picture!, read(`${call}.image`)), call).toBeLessThan(1e-5)
    }

    for (const call of numbered('encode').filter((name) => has(`${name}.latent`))) {
      const image = read(`${call}.image`)
      const picture = tensor(
        image.data.map((x) => 2 * x - 1),
        image.shape,
      )
      const { moments } = await (await model.encoder()).run({ picture })
      const latent = read(`${call}.latent`)
      const mean = meansOf(moments!, config.scaleFactor)
      expect(sameShape(mean.shape, latent.shape)).toBe(true)
      // The recorded one is drawn from the posterior, whose deviation is about e⁻¹⁰.
      expect(relativeError(mean, latent), call).toBeLessThan(1e-4)
    }
  })
})

/** Tokens as the encoder gets them: what follows the first end is replaced by the model's own padding. */
function padded({ shape, data }: Tensor, padding: number): BigInt64Array {
  const length = shape[1]!
  return BigInt64Array.from(data, (token, i) => {
    const row = i - (i % length)
    return BigInt(i > data.indexOf(49407, row) ? padding : token)
  })
}

/** The first half of the moments' channels, scaled as latents are. */
function meansOf({ shape, data }: Tensor, scale: number): Tensor {
  const [batch, channels, ...space] = shape
  const size = data.length / batch! / 2
  const values = Float32Array.from(
    { length: batch! * size },
    (_, i) => data[Math.floor(i / size) * 2 * size + (i % size)]! * scale,
  )
  return tensor(values, [batch!, channels! / 2, ...space])
}
