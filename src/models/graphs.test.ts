import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { WeightEntry } from '../files/weights.ts'
import { mulDims } from '../graph/dim.ts'
import { toOnnx } from '../graph/onnx.ts'
import { simplify } from '../graph/simplify.ts'
import type { Graph } from '../graph/value.ts'
import { float32Emit } from '../nn/emit.ts'
import type { WeightSource } from '../nn/scope.ts'
import { sd1, sd2 } from './configs.ts'
import { decoderGraph, encoderGraph, textGraph, unetGraph } from './graphs.ts'
import { modelLayout } from './layout.ts'

/** Full-size checkpoints of half-precision weights that nobody will read. */
const weights: WeightSource = {
  get(name, shape): WeightEntry {
    const sizeBytes = shape.reduce((size, dim) => size * dim, 2)
    return { name, dtype: 'F16', shape, sizeBytes, location: { path: 'model.safetensors', offset: 0 } }
  },
}
const options = { weights }
const tiling = { weights, emit: { ...float32Emit, padding: 'circular' } } as const
const inpainting = { ...sd1, unet: { ...sd1.unet, inChannels: 9 } }
const odd = { weights, size: { height: 65, width: 73 } }

/**
 * The first digits of SHA-256 over each model's ONNX bytes. A change here says that what runs has changed: when that
 * was meant, hold the models' other tests against it, then copy the new digits from the failure.
 */
const hashes: readonly (readonly [string, () => Graph, string])[] = [
  ['SD 1 text', () => textGraph(sd1, options, { skip: 0 }), 'b4e0621eb4c466a6'],
  ['SD 2 text', () => textGraph(sd2, options, { skip: 1 }), '452c909f4545039b'],
  ['SD 1 UNet', () => unetGraph(sd1, options), 'a8a544d22ce6819c'],
  ['SD 2 UNet', () => unetGraph(sd2, options), '3b1aabda2ff769dd'],
  ['SD 1 inpainting UNet', () => unetGraph(inpainting, options), 'beb8975df0c3ffbf'],
  ['SD 1 UNet, tiling', () => unetGraph(sd1, tiling), '92f9353eb3f0847a'],
  ['SD 1 UNet of an odd size', () => unetGraph(sd1, odd), '0b06cc226a520ce5'],
  ['SD 1 UNet with merged tokens', () => unetGraph(sd1, { ...odd, tokenMergingRatio: 0.5 }), '04386b7bd1268e8e'],
  ['VAE decoder', () => decoderGraph(sd1, options), 'b8779d642f31988b'],
  ['VAE encoder', () => encoderGraph(sd1, options), 'bec101e8f90ed851'],
]

test.each(hashes)('the graph of %s is the one last looked at', (_, build, hash) => {
  const bytes = toOnnx(simplify(build()), () => ({ location: 'model.safetensors', offset: 0, length: 0 }))
  expect(createHash('sha256').update(bytes).digest('hex').slice(0, 16)).toBe(hash)
})

test('the graphs ask for exactly the tensors that a file is checked for', () => {
  const asked = new Map<string, readonly number[]>()
  const recorder: WeightSource = {
    get(name, shape) {
      asked.set(name, shape)
      return weights.get(name, shape)
    },
  }
  for (const config of [sd1, sd2, inpainting]) {
    asked.clear()
    textGraph(config, { weights: recorder }, { skip: 0 })
    unetGraph(config, { weights: recorder })
    decoderGraph(config, { weights: recorder })
    encoderGraph(config, { weights: recorder })
    const flat = (shape: readonly number[]) => shape.filter((dim, axis) => axis < 2 || dim !== 1).join()
    const sorted = (layout: ReadonlyMap<string, readonly number[]>) =>
      [...layout].map(([name, shape]) => `${name} ${flat(shape)}`).sort()
    expect(sorted(asked)).toEqual(sorted(modelLayout(config)))
  }
})

test('a latent of open size keeps it through the UNet, and is an eighth of its picture', () => {
  const [input, output] = ends(unetGraph(sd1, options))
  expect(output!.slice(2)).toEqual(input!.slice(2))
  const [latent, picture] = ends(decoderGraph(sd1, options))
  expect(picture!.slice(2)).toEqual(latent!.slice(2).map((dim) => mulDims(8, dim)))
  const [seen, moments] = ends(encoderGraph(sd1, options))
  expect(seen!.slice(2)).toEqual(moments!.slice(2).map((dim) => mulDims(8, dim)))
})

function ends(graph: Graph) {
  return [graph.inputs[0]!.shape, [...graph.outputs.values()][0]!.shape]
}
