import { expect, test } from 'vitest'
import { relativeError } from '../../test/models/runOnce.ts'
import type { WeightEntry } from '../files/weights.ts'
import { type Dim, symbol } from '../graph/dim.ts'
import { toOnnx } from '../graph/onnx.ts'
import { add, cast, conv, gemm, reshape, slice } from '../graph/ops.ts'
import { simplify } from '../graph/simplify.ts'
import { Graph, type Value } from '../graph/value.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { activationBytes } from './activations.ts'
import { blockConvs } from './blockConvs.ts'
import { blockSize } from './blockSize.ts'
import { fixedFirst, hoist } from './hoist.ts'
import { narrowProducts } from './narrow.ts'
import { openNative } from './native.ts'

function half(graph: Graph, name: string, shape: readonly number[], offset = 0): Value {
  const sizeBytes = shape.reduce((size, dim) => size * dim, 2)
  const entry: WeightEntry = { name, dtype: 'F16', shape, sizeBytes, location: { path: 'model', offset } }
  return cast(graph.weight(name, entry, 'float16'), 'float32')
}

const noWeights = () => {
  throw new Error('internal: a graph without weights')
}

/** Numbers that are alike nowhere near each other. */
function wave(shape: readonly number[]): Tensor {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * i)) }
}

async function outputOf(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor> {
  const session = await openNative(toOnnx(graph, noWeights), { threads: 1, folder: '.' })
  const { y } = await session.run(feeds)
  await session.dispose()
  return y!
}

const ops = (graph: Graph) => graph.nodes.map(({ op }) => op)
const count = (graph: Graph, wanted: string) => ops(graph).filter((op) => op === wanted).length

test('halves of a product that are read apart are computed apart, from rows of the same file', () => {
  const graph = new Graph()
  const x = graph.input('x', [4, 8])
  const both = reshape(gemm(x, half(graph, 'w', [6, 8], 1000), null), [2, 2, 6])
  graph.output('left', slice(both, 2, 0, 4))
  graph.output('right', slice(both, 2, 4, 6))

  const narrow = simplify(narrowProducts(graph))
  expect(count(narrow, 'Slice')).toBe(0)
  expect(count(narrow, 'Gemm')).toBe(2)
  const entries = narrow.weights.map(({ source }) => (source.kind === 'weight' ? source.entry : undefined))
  expect(entries).toMatchObject([
    { shape: [4, 8], sizeBytes: 64, location: { path: 'model', offset: 1000 } },
    { shape: [2, 8], sizeBytes: 32, location: { path: 'model', offset: 1064 } },
  ])
})

test('a product that is read whole, or along its rows, stays whole', () => {
  const graph = new Graph()
  const y = gemm(graph.input('x', [4, 8]), half(graph, 'w', [6, 8]), null)
  graph.output('rows', slice(y, 0, 0, 2))
  graph.output('every second', slice(y, 1, 0, 6, 2))
  expect(ops(narrowProducts(graph))).toEqual(ops(graph))
})

function convolved(channels: readonly [number, number], height: Dim, width: Dim, groups = 1): Graph {
  const graph = new Graph()
  const [from, to] = channels
  const weight = half(graph, 'w', [to, from / groups, 1, 1])
  const x = graph.input('x', [1, from, height, width])
  graph.output('y', conv(x, weight, null, { stride: 1, pads: [0, 0, 0, 0], groups }))
  return graph
}

test.each([
  ['wide maps', convolved([32, 48], 64, 64), true],
  ['maps of open size', convolved([32, 48], symbol('h'), symbol('w')), true],
  ['narrow maps', convolved([32, 48], 8, 64), false],
  ['channels that fill no block', convolved([32, 40], 64, 64), false],
  ['pictures of few channels', convolved([4, 32], 64, 64), false],
  ['grouped channels', convolved([32, 32], 64, 64, 2), false],
])('blocks of 16 channels are used for %s: %s', (_, graph, isBlocked) => {
  expect(count(blockConvs(graph, 16), 'BlockedConv')).toBe(isBlocked ? 1 : 0)
})

test.each([
  ['as many whole blocks as a run says', symbol('blocks', 16)],
  ['a number of channels of its own', 32],
])('a fed weight of %s is put into blocks', async (_, out) => {
  const graph = new Graph()
  const x = graph.input('x', [2, 32, 16, 12])
  const weight = graph.input('w', [out, 32, 3, 3])
  graph.output('y', conv(x, weight, null, { stride: 1, pads: [1, 1, 1, 1], groups: 1 }))
  const rewritten = blockConvs(graph, await blockSize())
  expect(ops(rewritten).filter((op) => op.endsWith('Conv'))).toEqual([(await blockSize()) > 1 ? 'BlockedConv' : 'Conv'])

  const fed = { x: wave([2, 32, 16, 12]), w: wave([32, 32, 3, 3]) }
  expect(relativeError(await outputOf(rewritten, fed), await outputOf(graph, fed))).toBeLessThanOrEqual(3e-6)
})

test('a branch of an open number of channels is added to its layer while it is convolved', async () => {
  const graph = new Graph()
  const params = { stride: 1, pads: [0, 0, 0, 0], groups: 1 } as const
  const rank = symbol('rank', 16)
  const x = graph.input('x', [2, 32, 16, 12])
  const low = conv(x, graph.input('down', [rank, 32, 1, 1]), null, params)
  const layer = conv(x, graph.input('w', [32, 32, 1, 1]), null, params)
  graph.output('y', add(layer, conv(low, graph.input('up', [32, rank, 1, 1]), null, params)))
  const block = await blockSize()
  const rewritten = simplify(blockConvs(graph, block))
  expect(count(rewritten, 'Add')).toBe(block > 1 ? 0 : 1)

  const fed = {
    x: wave([2, 32, 16, 12]),
    w: wave([32, 32, 1, 1]),
    down: wave([16, 32, 1, 1]),
    up: wave([32, 16, 1, 1]),
  }
  expect(relativeError(await outputOf(rewritten, fed), await outputOf(graph, fed))).toBeLessThanOrEqual(3e-6)
})

test('of a graph with open sizes that halves its picture, the deepest level is taken to be narrow', () => {
  const graph = new Graph()
  const params = { stride: 1, pads: [0, 0, 0, 0], groups: 1 } as const
  const x = graph.input('x', [1, 32, symbol('h', 2), symbol('w', 2)])
  const wide = conv(x, half(graph, 'wide', [32, 32, 1, 1]), null, params)
  graph.output('y', conv(wide, half(graph, 'deep', [32, 32, 2, 2]), null, { ...params, stride: 2 }))
  const blocked = blockConvs(graph, 16)
  expect(count(blocked, 'BlockedConv')).toBe(2)

  const deeper = new Graph()
  const deep = deeper.input('x', [1, 32, symbol('h', 2), symbol('w', 2)])
  const down = conv(deep, half(deeper, 'down', [32, 32, 2, 2]), null, { ...params, stride: 2 })
  deeper.output('y', conv(down, half(deeper, 'last', [32, 32, 1, 1]), null, params))
  expect(count(blockConvs(deeper, 16), 'BlockedConv')).toBe(1)
})

test('what weights alone decide is fed to the body, which keeps the rest', () => {
  const graph = simplify(blockConvs(convolved([32, 48], symbol('h'), symbol('w')), 16))
  const { body, fixed } = hoist(graph)
  expect(ops(body)).toEqual(['ReorderInput', 'BlockedConv', 'ReorderOutput'])
  expect(body.inputs.map(({ source }) => source.kind === 'input' && source.name)).toEqual(['x', ...fixed.keys()])
  expect([...fixed.values()].map(({ shape }) => shape)).toEqual([[48, 32, 1, 1]])
})

test('what weights alone decide can stand in front, each node still after what it reads', () => {
  const graph = new Graph()
  const x = graph.input('x', [4, 8])
  const y = gemm(x, half(graph, 'a', [8, 8]), null)
  graph.output('z', add(y, gemm(y, half(graph, 'b', [8, 8]), null)))
  expect(ops(fixedFirst(graph))).toEqual(['Cast', 'Cast', 'Gemm', 'Gemm', 'Add'])
})

test('a run holds what is made and still read, a reshape not twice', () => {
  const graph = new Graph()
  const x = graph.input('x', [symbol('rows', 2), 8])
  const first = gemm(x, half(graph, 'a', [16, 8]), null)
  const view = reshape(first, [symbol('rows', 2), 4, 4])
  graph.output('y', slice(view, 1, 0, 1))
  // With three rows of two: the cast weight is gone when 6·16 numbers are cut to 6·4.
  const feeds = { x: { shape: [6, 8], data: new Float32Array(48) } }
  expect(activationBytes(graph, feeds)).toBe(4 * Math.max(16 * 8 + 6 * 16, 6 * 16 + 6 * 4))
})
