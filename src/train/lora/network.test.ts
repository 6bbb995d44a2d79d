import { expect, test } from 'vitest'
import { openWeights } from '../../files/openWeights.ts'
import { readWeight } from '../../files/readWeight.ts'
import { grad } from '../../graph/grad.ts'
import { mul, reduceSum } from '../../graph/ops.ts'
import { Graph } from '../../graph/value.ts'
import { fitNetwork } from '../../lora/fit.ts'
import { mergeNetworks } from '../../lora/merge.ts'
import { openNetwork } from '../../lora/network.ts'
import { detectModel } from '../../models/detect.ts'
import { conv2d } from '../../nn/linear.ts'
import { Scope } from '../../nn/scope.ts'
import { compile } from '../../runtime/compile.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { attachNetwork } from './attach.ts'
import { factorization } from './factorization.ts'
import { targetLayers } from './modules.ts'
import { initialNetwork, type NetworkOptions, networkModules } from './network.ts'
import { networkEntries } from './saving.ts'

const checkpoint = new URL('../../../test/golden/models/tiny-sd1.safetensors', import.meta.url).pathname
const { weights } = detectModel(openWeights(checkpoint))
const layers = targetLayers(weights)
const options: NetworkOptions = {
  family: 'lora',
  dim: 4,
  alpha: 2,
  conv: { dim: 2, alpha: 1 },
  hasEnds: false,
  blocks: undefined,
  convBlocks: undefined,
  frozenBlocks: new Set(),
  hasText: true,
  hasUnet: true,
  isDora: false,
  isRankStabilized: false,
  factor: -1,
}
const weightOf = (path: string): Tensor => readWeight(weights.get(`${path}.weight`)!)

test('kohya’s counts of modules: 72 in the text encoder, 192 in the UNet, 86 more with kernels', () => {
  const count = (more: Partial<NetworkOptions>) => networkModules(layers, { ...options, ...more }).length
  expect(count({ hasUnet: false })).toBe(72)
  expect(count({ hasText: false, conv: undefined })).toBe(192)
  expect(count({ hasText: false })).toBe(278)
  expect(count({ hasText: false, hasEnds: true })).toBe(282)
  const modules = networkModules(layers, options)
  const rankOf = (end: string) => modules.find(({ layer }) => layer.name.endsWith(end))!.rank
  expect([rankOf('resnets_0_conv1'), rankOf('conv_shortcut'), rankOf('time_emb_proj')]).toEqual([2, 4, 4])
})

test('LyCORIS’ factors of a dimension', () => {
  const squares = [320, 512, 640, 768, 1280, 2560].map((dimension) => factorization(dimension, -1).join('×'))
  expect(squares).toEqual(['16×20', '16×32', '20×32', '24×32', '32×40', '40×64'])
  expect([320, 360, 1280].map((dimension) => factorization(dimension, 8).join('×'))).toEqual(['8×40', '8×45', '8×160'])
})

const kinds = [
  ['LoRA', {}],
  ['LoHa', { family: 'loha' }],
  ['LoKr of a low rank', { family: 'lokr', dim: 1, conv: { dim: 1, alpha: 1 } }],
  ['LoKr of whole matrices', { family: 'lokr', dim: 64, conv: { dim: 64, alpha: 1 } }],
  ['DoRA', { isDora: true }],
  ['DoRA of Hadamard products', { family: 'loha', isDora: true }],
] as const satisfies readonly (readonly [string, Partial<NetworkOptions>])[]

// A convolution with a kernel, so that all ways a part may be spread over a weight are seen.
const layer = layers.find(({ name }) => name === 'lora_unet_down_blocks_1_resnets_0_conv1')!
const [out, inputs] = layer.shape as [number, number, number, number]

function setUp(more: Partial<NetworkOptions>) {
  const modules = networkModules([layer], { ...options, ...more })
  const begin = initialNetwork(modules, 7, weightOf)
  // Away from the beginning, where the parts that are zeros hide the others.
  const network = new Map(
    [...begin].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((x, i) => (name.endsWith('dora_scale') ? x : x + 0.1 * Math.sin(i + 1))) },
    ]),
  )
  const graph = new Graph()
  const attached = attachNetwork(graph, modules, weights, { hasDropout: false })
  const scope = new Scope({ graph, weights, adapter: attached.adapter, standIn: attached.standIn })
  const x = graph.input('x', [2, inputs, 4, 4])
  const y = conv2d(scope.at(layer.path), x, { out, kernel: 3 })
  graph.output('y', y)
  const direction = graph.input('direction', y.shape)
  const loss = reduceSum(mul(y, direction), [0, 1, 2, 3])
  const names = [...attached.inputs.keys()]
  for (const [i, value] of grad(loss, [...attached.inputs.values()]).entries()) graph.output(`d ${names[i]}`, value)
  const wave = (size: number, step: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(step * i + 0.3))
  const feeds = {
    x: { shape: [2, inputs, 4, 4], data: wave(2 * inputs * 16, 0.7) },
    direction: { shape: [2, out, 4, 4], data: wave(2 * out * 16, 1.3) },
  }
  return { modules, begin, network, graph, feeds }
}

test.each(kinds)('%s begins as no change, and is read back as what it was trained as', async (_, more) => {
  const { modules, begin, network, graph, feeds } = setUp(more)
  const session = await compile(graph, { residence: 'mapped', threads: 1 })
  const outputOf = async (tensors: ReadonlyMap<string, Tensor>) =>
    (await session.run({ ...feeds, ...Object.fromEntries(tensors) })).y!

  const plain = new Graph()
  const x = plain.input('x', feeds.x.shape)
  plain.output('y', conv2d(new Scope({ graph: plain, weights }).at(layer.path), x, { out, kernel: 3 }))
  const unchanged = await compile(plain, { residence: 'mapped', threads: 1 })
  const before = (await unchanged.run({ x: feeds.x })).y!
  const begun = await outputOf(begin)
  for (const [i, y] of before.data.entries()) expect(begun.data[i]!).toBeCloseTo(y, 4)

  // Merged by the code that reads everybody's files, whose families are checked against LyCORIS.
  const entries = networkEntries(modules, network, 'float')
  const file = {
    path: 'trained.safetensors',
    format: 'safetensors',
    entries: new Map(entries.map((entry) => [entry.name, entry])),
    metadata: new Map(),
    foreign: [],
  }
  const fitted = fitNetwork(openNetwork(file as never), weights)
  const merges = new Map([...fitted.layers].map(([path, adapter]) => [path, [{ adapter, strength: 1 }]]))
  const merged = await mergeNetworks(weights, { merges, branches: new Map() }, (g) =>
    compile(g, { residence: 'mapped', threads: 1 }),
  )
  const expectedGraph = new Graph()
  const input = expectedGraph.input('x', feeds.x.shape)
  const both = new Map([...weights, ...merged])
  expectedGraph.output(
    'y',
    conv2d(new Scope({ graph: expectedGraph, weights: both }).at(layer.path), input, { out, kernel: 3 }),
  )
  const reference = await compile(expectedGraph, { residence: 'mapped', threads: 1 })
  const expected = (await reference.run({ x: feeds.x })).y!
  const found = await outputOf(network)
  const size = Math.max(...expected.data.map(Math.abs))
  let moved = 0
  for (const [i, y] of expected.data.entries()) {
    expect(Math.abs(found.data[i]! - y)).toBeLessThan(1e-4 * size)
    moved = Math.max(moved, Math.abs(y - before.data[i]!))
  }
  expect(moved).toBeGreaterThan(1e-2 * size)
  for (const open of [session, unchanged, reference]) await open.dispose()
})

test.each(kinds)('%s: gradients are those of finite differences', async (_, more) => {
  const { network, graph, feeds } = setUp(more)
  const session = await compile(graph, { residence: 'mapped', threads: 1 })
  const run = (tensors: ReadonlyMap<string, Tensor>) => session.run({ ...feeds, ...Object.fromEntries(tensors) })
  const lossOf = async (tensors: ReadonlyMap<string, Tensor>) => {
    const { y } = await run(tensors)
    return y!.data.reduce((sum, value, i) => sum + value * feeds.direction.data[i]!, 0)
  }
  const gradients = await run(network)
  for (const [name, { shape, data }] of network) {
    // Along the gradient itself, where the difference is its length.
    const gradient = gradients[`d ${name}`]!.data
    const length = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0))
    const step = 1e-2 / length
    const at = async (sign: number) =>
      lossOf(new Map([...network, [name, { shape, data: data.map((x, i) => x + sign * step * gradient[i]!) }]]))
    const difference = ((await at(1)) - (await at(-1))) / (2 * step)
    expect(Math.abs(difference / length ** 2 - 1), name).toBeLessThan(2e-2)
  }
  await session.dispose()
})
