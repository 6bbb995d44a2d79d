import { describe, expect, test } from 'vitest'
import { numberedWeights, numbers } from '../../test/models/numbered.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import type { WeightEntry } from '../files/weights.ts'
import { add, mul } from '../graph/ops.ts'
import { Graph } from '../graph/value.ts'
import type { DType } from '../tensor/dtype.ts'
import { tensor } from '../tensor/tensor.ts'
import { attention } from './attention.ts'
import { float32Emit } from './emit.ts'
import { conv2d, linear } from './linear.ts'
import { groupNorm } from './norm.ts'
import { type LayerSite, Scope } from './scope.ts'

function stored(name: string, dtype: DType, shape: readonly number[], data: ArrayBufferView): [string, WeightEntry] {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return [name, { name, dtype, shape, sizeBytes: bytes.length, location: { bytes } }]
}

const wide = new Map([stored('blocks.4.0.in_layers.2.weight', 'F32', [8, 4, 3, 3], new Float32Array(288))])

describe('a weight that does not fit is an error with its path', () => {
  const build = (path: string) => () => {
    const graph = new Graph()
    const scope = new Scope({ graph, weights: wide }).at('blocks').at(4).at(path)
    return conv2d(scope, graph.input('x', [2, 6, 32, 32]), { out: 8, kernel: 3 })
  }

  test('when it has another shape than the input needs', () => {
    expect(build('0.in_layers.2')).toThrow(
      'blocks.4.0.in_layers.2.weight: is [8, 4, 3, 3], expected [8, 6, 3, 3], as x is [2, 6, 32, 32]',
    )
  })

  test('when it is missing', () => {
    expect(build('1')).toThrow('blocks.4.1.weight: missing, expected [8, 6, 3, 3], as x is [2, 6, 32, 32]')
    expect(build('1')).toThrow(expect.objectContaining({ code: 'wrong-architecture', field: 'blocks.4.1.weight' }))
  })
})

describe('a configuration that does not divide is an error with its path', () => {
  const graph = new Graph()
  const scope = new Scope({ graph, weights: numberedWeights }).at('middle_block.1')

  test('channels into groups', () => {
    const x = graph.input('x', [1, 48, 4, 4])
    expect(() => groupNorm(scope.at('norm'), x, { groups: 32, epsilon: 1e-6 })).toThrow(
      'middle_block.1.norm: 48 channels, expected a multiple of 32',
    )
  })

  test('features into heads', () => {
    const x = graph.input('tokens', [1, 5, 48])
    const build = (heads: number) => () => attention(scope.at('attn1'), { query: x, key: x, value: x }, { heads })
    expect(build(5)).toThrow('middle_block.1.attn1: 48 features do not divide into 5 heads')
    expect(build(4.8)).toThrow('48 features do not divide into 4.8 heads')
  })
})

test('a 1×1 convolution and a linear layer may hold each other’s weights', () => {
  const weights = new Map([
    stored('a.weight', 'F32', [3, 2, 1, 1], new Float32Array(6)),
    stored('b.weight', 'F32', [3, 2], new Float32Array(6)),
    stored('b.bias', 'F32', [3], new Float32Array(3)),
  ])
  const graph = new Graph()
  const scope = new Scope({ graph, weights })
  expect(linear(scope.at('a'), graph.input('x', [5, 2]), { out: 3, hasBias: false }).shape).toEqual([5, 3])
  expect(conv2d(scope.at('b'), graph.input('y', [1, 2, 4, 4]), { out: 3, kernel: 1 }).shape).toEqual([1, 3, 4, 4])
})

// −1.5 and 2 in each type's own bits: sign, exponent, mantissa.
const encodings: readonly (readonly [DType, ArrayBufferView])[] = [
  ['F64', Float64Array.of(-1.5, 2)],
  ['F32', Float32Array.of(-1.5, 2)],
  ['F16', Uint16Array.of(0xbe00, 0x4000)],
  ['BF16', Uint16Array.of(0xbfc0, 0x4000)],
  ['F8_E4M3', Uint8Array.of(0xbc, 0x40)],
  ['F8_E5M2', Uint8Array.of(0xbe, 0x40)],
]
const integers: readonly (readonly [DType, ArrayBufferView])[] = [
  ['I64', BigInt64Array.of(-3n, 2n)],
  ['I32', Int32Array.of(-3, 2)],
  ['I16', Int16Array.of(-3, 2)],
  ['I8', Int8Array.of(-3, 2)],
]

describe('weights of every element type are computed with as float32', () => {
  const doubled = async (dtype: DType, data: ArrayBufferView) => {
    const graph = new Graph()
    const scope = new Scope({ graph, weights: new Map([stored('w', dtype, [2], data)]) })
    graph.output('result', mul(scope.weight('w', [2]), graph.input('x', [2])))
    return [...(await runOnce(graph, { x: tensor([2, 2]) })).data]
  }
  test.each(encodings)('%s', async (dtype, data) => expect(await doubled(dtype, data)).toEqual([-3, 4]))
  test.each(integers)('%s', async (dtype, data) => expect(await doubled(dtype, data)).toEqual([-6, 4]))
  test.each(['U8', 'BOOL'] as const)('%s', async (dtype) => {
    expect(await doubled(dtype, Uint8Array.of(1, 0))).toEqual([2, 0])
  })
})

test('an adapter sees every linear and convolution, and what it returns takes their place', async () => {
  const sites: LayerSite[] = []
  const graph = new Graph()
  const scope = new Scope({
    graph,
    weights: numberedWeights,
    adapter(site, x, y) {
      sites.push(site)
      return site.kind === 'linear' ? add(y, mul(x, 3)) : y
    },
  })
  const x = graph.input('x', [5, 2])
  conv2d(scope.at('c'), graph.input('y', [1, 2, 4, 4]), { out: 6, kernel: 3, stride: 2 })
  graph.output('adapted', linear(scope.at('l'), x, { out: 2 }))
  const plain = new Graph()
  plain.output(
    'plain',
    linear(new Scope({ graph: plain, weights: numberedWeights }).at('l'), plain.input('x', [5, 2]), { out: 2 }),
  )

  const feeds = { x: numbers('x', [5, 2]), y: numbers('y', [1, 2, 4, 4]) }
  const expected = (await runOnce(plain, { x: feeds.x })).data.map((y, i) => y + 3 * feeds.x.data[i]!)
  expect(relativeError(await runOnce(graph, feeds), tensor(expected, [5, 2]))).toBeLessThan(1e-6)
  expect(sites).toEqual([
    { path: 'c', kind: 'conv', weightShape: [6, 2, 3, 3], stride: 2, padding: 1 },
    { path: 'l', kind: 'linear', weightShape: [2, 2], stride: 1, padding: 0 },
  ])
})

test('tiling continues a picture across its edges', async () => {
  const graph = new Graph()
  const sums = new Map([
    stored('weight', 'F32', [1, 1, 3, 3], new Float32Array(9).fill(1)),
    stored('bias', 'F32', [1], new Float32Array(1)),
  ])
  const scope = new Scope({ graph, weights: sums, emit: { ...float32Emit, padding: 'circular' } })
  graph.output('result', conv2d(scope, graph.input('x', [1, 1, 3, 3]), { out: 1, kernel: 3 }))
  // On a torus of 3×3 every point has all nine as neighbours.
  const { data } = await runOnce(graph, { x: tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]) })
  expect([...data]).toEqual(new Array(9).fill(45))
})
