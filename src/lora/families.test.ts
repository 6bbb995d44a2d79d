import { describe, expect, test } from 'vitest'
import { openWeightFile } from '../files/openWeightFile.ts'
import { readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import { compile } from '../runtime/compile.ts'
import { fitNetwork } from './fit.ts'
import { mergeNetworks } from './merge.ts'
import { openNetwork } from './network.ts'
import { planNetworks } from './plan.ts'

// Recorded by scripts/goldens/networks.py: one layer per case, merged at strength 1 by LyCORIS or PEFT.
const golden = openWeightFile(new URL('goldens/families.safetensors', import.meta.url).pathname)
const cases = [...new Set([...golden.entries.keys()].map((name) => name.split('/')[0]!))]

const session = { residence: 'packed', threads: 1, cacheDir: '' } as const
const layer = 'model.diffusion_model.input_blocks.1.1.proj_in'
const inFile = 'lora_unet_input_blocks_1_1_proj_in'

/** A checkpoint of the one layer, and a file with the one adapter. */
function caseOf(name: string) {
  const named = (part: string) => golden.entries.get(`${name}/${part}`)
  const weights = new Map<string, WeightEntry>()
  for (const part of ['weight', 'bias']) {
    const entry = named(part)
    if (entry) weights.set(`${layer}.${part}`, { ...entry, name: `${layer}.${part}` })
  }
  const entries = new Map<string, WeightEntry>()
  for (const [key, entry] of golden.entries) {
    if (key.startsWith(`${name}/net.`)) entries.set(key.replace(`${name}/net`, inFile), entry)
  }
  return {
    weights,
    file: { ...golden, path: `${name}.safetensors`, entries },
    merged: named('merged')!,
    mergedBias: named('mergedBias'),
  }
}

async function merged(name: string, strength: number) {
  const { weights, file } = caseOf(name)
  const network = fitNetwork(openNetwork(file), weights)
  const plan = planNetworks([{ network, text: 0, unet: strength }])
  // Plain low-rank layers would run beside the weight; what they add is the same matrix.
  const merges = new Map(
    [...plan.branches].map(([path, chain]) => [path, chain.map(({ adapter }) => ({ adapter, strength }))]),
  )
  const replaced = await mergeNetworks(
    weights,
    { merges: new Map([...plan.merges, ...merges]), branches: new Map() },
    (graph) => compile(graph, session),
  )
  return { weight: readWeight(replaced.get(`${layer}.weight`)!), bias: replaced.get(`${layer}.bias`), weights }
}

function distance(a: Float32Array, b: Float32Array): number {
  const largest = b.reduce((max, x) => Math.max(max, Math.abs(x)), 0)
  return a.reduce((max, x, i) => Math.max(max, Math.abs(x - b[i]!)), 0) / largest
}

describe('a family of adapters merges to the weight its own trainer makes', () => {
  test('every family is among the cases', () => {
    const seen = cases.map((name) => openNetwork(caseOf(name).file).modules[0]!.family)
    expect(new Set(seen)).toEqual(new Set(['lora', 'loha', 'lokr', 'ia3', 'full', 'norm', 'oft', 'boft', 'glora']))
  })

  test.each(cases)('%s', async (name) => {
    const { merged: expected, mergedBias } = caseOf(name)
    const { weight, bias } = await merged(name, 1)
    expect(distance(weight.data, readWeight(expected).data)).toBeLessThan(1e-6)
    if (bias && mergedBias) expect(distance(readWeight(bias).data, readWeight(mergedBias).data)).toBeLessThan(1e-6)
  })

  test.each(cases)('%s: the change is proportional to the strength', async (name) => {
    const { weight: half, weights } = await merged(name, -0.5)
    const { weight: whole } = await merged(name, 1)
    const original = readWeight(weights.get(`${layer}.weight`)!).data
    const expected = whole.data.map((x, i) => original[i]! - 0.5 * (x - original[i]!))
    expect(distance(half.data, expected)).toBeLessThan(1e-6)
  })
})
