import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import type { WeightEntry } from '../../src/files/weights.ts'
import { Graph } from '../../src/graph/value.ts'
import { fitNetwork } from '../../src/lora/fit.ts'
import { mergeNetworks } from '../../src/lora/merge.ts'
import { mergePlan } from '../../src/lora/mergePlan.ts'
import { openNetwork } from '../../src/lora/network.ts'
import { detectModel } from '../../src/models/detect.ts'
import { unet } from '../../src/models/unet.ts'
import { Scope } from '../../src/nn/scope.ts'
import { compile } from '../../src/runtime/compile.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { contextGraph } from '../../src/train/lora/graph.ts'
import { writtenNetwork } from './writtenNetwork.ts'

// Recorded by scripts/goldens/loraInDiffusers.py, which loads the file as it is with `load_lora_weights`.
const folder = fileURLToPath(new URL('../golden-training/diffusers/', import.meta.url))
const checkpoint = fileURLToPath(new URL('../golden/models/tiny-sd1.safetensors', import.meta.url))
const { config, weights } = detectModel(openWeights(checkpoint))
const predicted = openWeights(join(folder, 'predicted.safetensors')).entries
const recorded = (name: string): Tensor => readWeight(predicted.get(name)!)
const written = join(folder, 'written.safetensors')

test('what diffusers loaded is what is saved here, byte for byte', () => {
  const own = mkdtempSync(join(tmpdir(), 'athanor-written-'))
  expect(readFileSync(writtenNetwork(weights, own)).equals(readFileSync(written))).toBe(true)
  rmSync(own, { recursive: true, force: true })
})

test('a network saved here does in diffusers what it does here', async () => {
  const network = fitNetwork(openNetwork(openWeights(written)), weights)
  expect(network.unmatched).toEqual([])
  expect(network.layers.size).toBe(72 + 278)
  const merged = await mergeNetworks(weights, mergePlan([{ network, text: 1, unet: 1 }]), (graph) =>
    compile(graph, { residence: 'mapped', threads: 1 }),
  )
  const moved = distance(recorded('adapted'), recorded('plain'))
  expect(moved).toBeGreaterThan(0.02)
  for (const [prefix, name, all] of [
    ['plain.', 'plain', weights],
    ['', 'adapted', new Map([...weights, ...merged])],
  ] as const) {
    const { context, prediction } = await predict(all)
    expect(distance(context, recorded(`${prefix}context`)), `${name}: context`).toBeLessThan(1e-4)
    expect(distance(prediction, recorded(name)), `${name}: prediction`).toBeLessThan(1e-4)
  }
})

async function predict(all: ReadonlyMap<string, WeightEntry>): Promise<{ context: Tensor; prediction: Tensor }> {
  const { data, shape } = recorded('tokens')
  const encoder = await compile(contextGraph(config, all, { isInside: false, chunks: 1, skip: 0, isWeighted: false }), {
    residence: 'mapped',
    threads: 1,
  })
  const { context } = await encoder.run({ tokens: { shape, data: BigInt64Array.from(data, BigInt) } })
  await encoder.dispose()

  const graph = new Graph()
  const [latent, timesteps] = [recorded('latent'), recorded('timesteps')]
  const inputs = {
    latent: graph.input('latent', latent.shape),
    timesteps: graph.input('timesteps', timesteps.shape),
    context: graph.input('context', context!.shape),
  }
  graph.output('prediction', unet(new Scope({ graph, weights: all }).at('model.diffusion_model'), inputs, config.unet))
  const session = await compile(graph, { residence: 'mapped', threads: 1 })
  const { prediction } = await session.run({ latent, timesteps, context: context! })
  await session.dispose()
  return { context: context!, prediction: prediction! }
}

/** How far one tensor is from another, by the other's length. */
function distance(a: Tensor, b: Tensor): number {
  const length = (x: Float32Array) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0))
  return length(a.data.map((value, i) => value - b.data[i]!)) / length(b.data)
}
