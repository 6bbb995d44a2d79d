import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import { fitNetwork } from '../../src/lora/fit.ts'
import type { Matrix } from '../../src/lora/matrix.ts'
import { mergeNetworks } from '../../src/lora/merge.ts'
import { mergePlan } from '../../src/lora/mergePlan.ts'
import { openNetwork } from '../../src/lora/network.ts'
import { networkHashes } from '../../src/lora/networkFile.ts'
import { firstColumns, productSvd } from '../../src/lora/svd.ts'
import { changeOf, concatenated, mergedBySvd, summedFactors } from '../../src/lora/tools/combineNetworks.ts'
import { extracted } from '../../src/lora/tools/extractNetwork.ts'
import { clamped, factors, type LowRankModule, lowRankModules, rankOf } from '../../src/lora/tools/lowRank.ts'
import { resized } from '../../src/lora/tools/resizeNetwork.ts'
import { detectModel } from '../../src/models/detect.ts'
import { compile } from '../../src/runtime/compile.ts'
import { targetLayers } from '../../src/train/lora/modules.ts'

const folder = new URL('../golden-training/tools/', import.meta.url)
const open = (name: string) => openWeights(new URL(`${name}.safetensors`, folder).pathname)
const modulesOf = (name: string) => lowRankModules(open(name))
const inputs = {
  a: modulesOf('input.a'),
  b: modulesOf('input.b'),
  a2: modulesOf('input.a2'),
  c1: modulesOf('input.c1_noise_offset'),
}
const namesIn = (modules: readonly LowRankModule[]) => new Set(modules.map(({ name }) => name))
/** Only the layers that were kept of a recorded file. */
const within = (modules: readonly LowRankModule[], recorded: readonly LowRankModule[]) =>
  modules.filter(({ name }) => namesIn(recorded).has(name))

const lengthOf = (x: Float32Array) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0))
const distance = (found: Matrix, expected: Matrix) =>
  lengthOf(expected.data.map((value, i) => value - found.data[i]!)) / Math.max(lengthOf(expected.data), 1e-7)

/** Signs of singular vectors are free, so what two files do to a layer is compared. */
function expectSame(found: readonly LowRankModule[], recorded: readonly LowRankModule[], tolerance: number) {
  expect(found.map(({ name }) => name)).toEqual(recorded.map(({ name }) => name))
  for (const [i, module] of found.entries()) {
    const expected = recorded[i]!
    expect([rankOf(module), module.alpha], module.name).toEqual([rankOf(expected), expect.closeTo(expected.alpha, 3)])
    expect(distance(changeOf(module), changeOf(expected)), module.name).toBeLessThan(tolerance)
  }
}

const dynamic = (method: 'sv_ratio' | 'sv_cumulative' | 'sv_fro', parameter: number) => ({
  rank: 8,
  convRank: 8,
  dynamic: { method, parameter },
})

test.each([
  ['resize_a_rank4', 'a', { rank: 4, convRank: 4, dynamic: undefined }, 1e-5],
  ['resize_a_sv_fro', 'a', dynamic('sv_fro', 0.9), 2e-3],
  ['resize_a_sv_cumulative', 'a', dynamic('sv_cumulative', 0.9), 2e-3],
  ['resize_a_sv_ratio', 'a', dynamic('sv_ratio', 2), 2e-3],
  ['resize_b_rank1_conv2', 'b', { rank: 1, convRank: 2, dynamic: undefined }, 1e-4],
] as const)('%s is what kohya’s tool makes', (name, input, options, tolerance) => {
  // The dynamic ones were recorded in half precision.
  const recorded = modulesOf(name)
  expectSame(
    resized(within(inputs[input], recorded), options).map(({ module }) => module),
    within(recorded, inputs[input]),
    tolerance,
  )
})

test('what a resized network keeps is measured as kohya’s tool measures it', () => {
  const kept = resized(inputs.a, dynamic('sv_fro', 0.9)).map(({ keptNorm }) => keptNorm)
  const [, percent] = /norm retention: ([\d.]+)%/.exec(readFileSync(new URL('resize_a_sv_fro.log', folder), 'utf8'))!
  expect((100 * kept.reduce((sum, x) => sum + x, 0)) / kept.length).toBeCloseTo(Number(percent), 1)
})

test('merging networks of one rank is kohya’s sum of matrices', () => {
  const recorded = modulesOf('merge_a2_c1')
  const found = summedFactors([
    { name: 'a2', modules: inputs.a2, ratio: 0.6 },
    { name: 'c1', modules: inputs.c1, ratio: 0.4 },
  ])
  expectSame(found, recorded, 1e-5)
  for (const [i, { up }] of found.entries()) expect(distance(up, recorded[i]!.up)).toBeLessThan(1e-5)
})

test('networks side by side add up exactly, with as many ranks as kohya’s', () => {
  const networks = [
    { name: 'a2', modules: inputs.a2, ratio: 0.6 },
    { name: 'c1', modules: inputs.c1, ratio: -0.4 },
  ]
  const recorded = modulesOf('concat_a2_c1')
  for (const [i, module] of concatenated(networks).entries()) {
    expect(rankOf(module)).toBe(rankOf(recorded[i]!))
    const [first, second] = [changeOf(inputs.a2[i]!), changeOf(inputs.c1[i]!)]
    const sum = { ...first, data: first.data.map((x, at) => 0.6 * x - 0.4 * second.data[at]!) }
    expect(distance(changeOf(module), sum)).toBeLessThan(1e-5)
  }
})

test('merging by singular values is kohya’s, but for signs that decide which numbers are limited', () => {
  const recorded = modulesOf('svd_merge_a_b')
  const networks = [
    { name: 'a', modules: within(inputs.a, recorded), ratio: 0.7 },
    { name: 'b', modules: within(inputs.b, recorded), ratio: 0.3 },
  ]
  for (const [i, module] of mergedBySvd(networks, { rank: 3, convRank: 2 }).entries()) {
    // A layer that only one network of rank 2 has needs no third.
    expect(rankOf(module)).toBeLessThanOrEqual(rankOf(recorded[i]!))
    expect(module.alpha).toBe(rankOf(module))
    expect(distance(changeOf(module), changeOf(recorded[i]!)), module.name).toBeLessThan(0.3)
  }

  // With each direction turned the way LAPACK turned it, limits and all are the same.
  let compared = 0
  for (const [i, { up, down, ...module }] of concatenated(networks).entries()) {
    const expected = recorded[i]!
    const { u, s, v } = productSvd(up, down)
    const rank = rankOf(expected)
    // The original fills up with a direction of no length, whose free numbers move the limit.
    if (s.length < rank) continue
    compared++
    const kept = { u: firstColumns(u, rank), s: s.slice(0, rank), v: firstColumns(v, rank) }
    const isTurned = Array.from({ length: rank }, (_, k) => {
      const column = (x: Matrix) => Array.from({ length: x.shape[0] }, (__, row) => x.data[row * rank + k]!)
      const theirs = Array.from(
        { length: expected.down.shape[1] },
        (__, at) => expected.down.data[k * expected.down.shape[1] + at]!,
      )
      return column(kept.v).reduce((sum, x, at) => sum + x * theirs[at]!, 0) < 0
    })
    const turned = (x: Matrix): Matrix => ({
      ...x,
      data: x.data.map((value, at) => (isTurned[at % rank] ? -value : value)),
    })
    const found = {
      ...module,
      ...clamped(factors({ u: turned(kept.u), s: kept.s, v: turned(kept.v) }), 0.99),
      alpha: rank,
    }
    expect(distance(changeOf(found), changeOf(expected)), module.name).toBeLessThan(2e-3)
  }
  expect(compared).toBeGreaterThan(40)
})

const base = detectModel(openWeights(new URL('../golden/models/tiny-sd1.safetensors', import.meta.url).pathname))
const compileHere = (graph: Parameters<typeof compile>[0]) => compile(graph, { residence: 'mapped', threads: 1 })

test('networks merged into a checkpoint change every weight by what was recorded, and come out of it again', async () => {
  const uses = (['a', 'b'] as const).map((name, i) => ({
    network: fitNetwork(openNetwork(open(`input.${name}`)), base.weights),
    text: [0.8, 0.5][i]!,
    unet: [0.8, 0.5][i]!,
  }))
  // Of b every sixth layer was kept.
  const common = [...uses[1]!.network.layers.keys()]
  const merged = await mergeNetworks(base.weights, mergePlan(uses), compileHere)
  const { changed } = JSON.parse(readFileSync(new URL('model_plus_a_b.changed.json', folder), 'utf8')) as {
    changed: readonly (readonly [string, number, number])[]
  }
  let compared = 0
  for (const [name, difference, norm] of changed) {
    if (!common.includes(name.replace(/\.weight$/, ''))) continue
    compared++
    const [before, after] = [readWeight(base.weights.get(name)!).data, readWeight(merged.get(name)!).data]
    expect(lengthOf(before)).toBeCloseTo(norm, 3)
    expect(Math.abs(lengthOf(after.map((x, i) => x - before[i]!)) / difference - 1), name).toBeLessThan(1e-4)
  }
  expect(compared).toBe(common.length)

  const onlyA = await mergeNetworks(base.weights, mergePlan([{ ...uses[0]!, text: 1, unet: 1 }]), compileHere)
  const recorded = modulesOf('extract_a')
  const layers = targetLayers(base.weights).filter(({ name }) => namesIn(recorded).has(name))
  const found = extracted(layers, base.weights, new Map([...base.weights, ...onlyA]), {
    rank: 4,
    convRank: undefined,
    minDifference: 0.01,
    clampShare: 0.99,
  })
  const ordered = [...found].sort((x, y) => (x.name < y.name ? -1 : 1))
  expectSame(ordered, recorded, 0.08)
})

test('a text encoder that hardly differs is left out', () => {
  const layers = targetLayers(base.weights).slice(0, 3)
  const none = extracted(layers, base.weights, base.weights, {
    rank: 2,
    convRank: undefined,
    minDifference: 0.01,
    clampShare: 0.99,
  })
  expect(none).toEqual([])
})

test('hashes of a network file are those that others know it by', () => {
  const file = open('input.a')
  const training = new Map([...file.metadata].filter(([key]) => key.startsWith('ss_')))
  const hashes = networkHashes([...file.entries.values()], training)
  expect(hashes.sshs_model_hash).toBe(file.metadata.get('sshs_model_hash'))
  expect(hashes.sshs_legacy_hash).toBe(file.metadata.get('sshs_legacy_hash'))
})
