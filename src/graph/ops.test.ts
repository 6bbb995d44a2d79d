import { describe, expect, test } from 'vitest'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { addDims, type Dim, type Shape, symbol } from './dim.ts'
import type { OpName } from './operators.ts'
import * as ops from './ops.ts'
import { elements, Graph, type Value } from './value.ts'

/** An operator on given numbers, and the result worked out by hand or from its definition. */
interface Example {
  readonly inputs: readonly Tensor[]
  readonly apply: (...inputs: Value[]) => Value
  readonly expected: Tensor
}

const square = tensor([1, 2, 3, 4], [2, 2])
const row = tensor([10, 20], [2])
const signed = tensor([-2, -0.5, 0, 1, 3])
const picture = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3])
const tokens = tensor([1, 0, 0, 1, 1, 1], [1, 3, 2])

const channels = tensor(
  Float32Array.from({ length: 32 }, (_, i) => i),
  [1, 16, 1, 2],
)

const unary = (apply: (x: Value) => Value, f: (x: number) => number, x: Tensor = signed): Example => ({
  inputs: [x],
  apply,
  expected: tensor(x.data.map(f), x.shape),
})
const binary = (apply: (a: Value, b: Value) => Value, expected: readonly number[]): Example => ({
  inputs: [square, row],
  apply,
  expected: tensor(expected, [2, 2]),
})
const table = (x: Value, numbers: readonly number[], shape?: readonly number[]) => ops.integers(x.graph, numbers, shape)
const sigma = (x: number) => 1 / (1 + Math.exp(-x))

// Φ at these points from published tables of the normal distribution.
const normal = new Map([
  [-2, 0.0227501319],
  [-0.5, 0.3085375387],
  [0, 0.5],
  [1, 0.8413447461],
  [3, 0.998650102],
])

const examples: { readonly [Op in OpName]: Example } = {
  Add: binary(ops.add, [11, 22, 13, 24]),
  Sub: binary(ops.sub, [-9, -18, -7, -16]),
  Mul: binary(ops.mul, [10, 40, 30, 80]),
  Div: binary(ops.div, [0.1, 0.1, 0.3, 0.2]),
  Neg: unary(ops.neg, (x) => -x),
  Sqrt: unary(ops.sqrt, Math.sqrt, square),
  Abs: unary(ops.abs, Math.abs),
  Exp: unary(ops.exp, Math.exp),
  Log: unary(ops.log, Math.log, square),
  Sin: unary(ops.sin, Math.sin),
  Cos: unary(ops.cos, Math.cos),
  Tanh: unary(ops.tanh, Math.tanh),
  Sigmoid: unary(ops.sigmoid, sigma),
  Relu: unary(ops.relu, (x) => Math.max(x, 0)),
  LeakyRelu: unary(
    (x) => ops.leakyRelu(x, 0.25),
    (x) => (x < 0 ? x / 4 : x),
  ),
  Erf: unary(
    (x) => ops.erf(ops.mul(x, Math.SQRT1_2)),
    (x) => 2 * normal.get(x)! - 1,
  ),
  Gelu: unary(ops.gelu, (x) => x * normal.get(x)!),
  QuickGelu: unary(
    (x) => ops.quickGelu(x, 1.702),
    (x) => x * sigma(1.702 * x),
  ),
  Clip: unary(
    (x) => ops.clip(x, -1, 2),
    (x) => Math.min(2, Math.max(-1, x)),
  ),
  Equal: unary(
    (x) => ops.cast(ops.equal(x, 1), 'float32'),
    (x) => (x === 1 ? 1 : 0),
  ),
  Less: unary(
    (x) => ops.cast(ops.less(x, 1), 'float32'),
    (x) => (x < 1 ? 1 : 0),
  ),
  Where: unary(
    (x) => ops.where(ops.less(x, 0), ops.neg(x), ops.constant(x.graph, 7)),
    (x) => (x < 0 ? -x : 7),
  ),
  Cast: unary((x) => ops.cast(ops.cast(x, 'int64'), 'float32'), Math.trunc),

  MatMul: { inputs: [square, square], apply: ops.matmul, expected: tensor([7, 10, 15, 22], [2, 2]) },
  FusedMatMul: {
    inputs: [square, square],
    apply: (a, b) => ops.fusedMatmul(a, b, { transA: true, transB: true, alpha: 0.5 }),
    expected: tensor([3.5, 7.5, 5, 11], [2, 2]), // (b·a)ᵀ/2
  },
  Gemm: { inputs: [square, square, row], apply: ops.gemm, expected: tensor([15, 31, 21, 45], [2, 2]) },
  Conv: {
    inputs: [picture, tensor([0, 1, 0, 1, 0, 1, 0, 1, 0], [1, 1, 3, 3]), tensor([100])],
    apply: (x, weight, bias) => ops.conv(x, weight, bias, { stride: 2, pads: [1, 1, 1, 1], groups: 1 }),
    expected: tensor([106, 108, 112, 114], [1, 1, 2, 2]), // the sum of the neighbours of 1, 3, 7 and 9
  },
  // Weights all alike, because how many channels a block has depends on the processor.
  BlockedConv: {
    inputs: [channels, tensor(new Float32Array(256).fill(0.5), [16, 16, 1, 1]), tensor(new Float32Array(16).fill(1))],
    apply: (x, weight, bias) => {
      const params = { stride: 1, pads: [0, 0, 0, 0], groups: 1 } as const
      return ops.reorderOutput(ops.blockedConv(ops.reorderInput(x), weight, bias, params), 16)
    },
    expected: tensor(
      Float32Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? 121 : 129)),
      [1, 16, 1, 2],
    ),
  },
  ReorderInput: { inputs: [channels], apply: (x) => ops.reorderOutput(ops.reorderInput(x), 16), expected: channels },
  ReorderOutput: { inputs: [channels], apply: (x) => ops.reorderOutput(ops.reorderInput(x), 16), expected: channels },
  Softmax: {
    inputs: [tensor([0, Math.log(3), Math.log(2), Math.log(2)], [2, 2])],
    apply: (x) => ops.softmax(x, 1),
    expected: tensor([0.25, 0.75, 0.5, 0.5], [2, 2]),
  },
  LayerNormalization: {
    inputs: [tensor([1, 3, 5, 9], [2, 2]), tensor([2, 3]), tensor([0, 1])],
    apply: (x, scale, bias) => ops.layerNormalization(x, scale, bias, 3),
    // Deviations ±1 and ±2, variances 1 and 4, with epsilon 4 and 7.
    expected: tensor([-1, 2.5, -4 / Math.sqrt(7), 6 / Math.sqrt(7) + 1], [2, 2]),
  },
  InstanceNormalization: {
    inputs: [tensor([1, 3, 5, 9], [1, 2, 2]), tensor([2, 3]), tensor([0, 1])],
    apply: (x, scale, bias) => ops.instanceNormalization(x, scale, bias, 3),
    expected: tensor([-1, 1, -6 / Math.sqrt(7) + 1, 6 / Math.sqrt(7) + 1], [1, 2, 2]),
  },
  ReduceSum: { inputs: [square], apply: (x) => ops.reduceSum(x, [0]), expected: tensor([4, 6], [1, 2]) },
  ReduceMean: { inputs: [square], apply: (x) => ops.reduceMean(x, [0, 1]), expected: tensor([2.5], [1, 1]) },

  After: unary(
    (x) => ops.after(x, ops.exp(x)),
    (x) => x,
  ),
  Reshape: { inputs: [tokens], apply: (x) => ops.reshape(x, [2, 3]), expected: tensor([1, 0, 0, 1, 1, 1], [2, 3]) },
  Transpose: { inputs: [square], apply: (x) => ops.transpose(x, [1, 0]), expected: tensor([1, 3, 2, 4], [2, 2]) },
  Concat: { inputs: [row, signed], apply: (...x) => ops.concat(x, 0), expected: tensor([10, 20, -2, -0.5, 0, 1, 3]) },
  Slice: { inputs: [signed], apply: (x) => ops.slice(x, 0, 1, 5, 2), expected: tensor([-0.5, 1]) },
  Expand: { inputs: [row], apply: (x) => ops.expand(x, [2, 2]), expected: tensor([10, 20, 10, 20], [2, 2]) },
  Pad: {
    inputs: [picture],
    apply: (x) => ops.pad(x, { before: [0, 0, 1, 0], after: [0, 0, 0, 2], mode: 'wrap' }),
    expected: tensor([7, 8, 9, 7, 8, 1, 2, 3, 1, 2, 4, 5, 6, 4, 5, 7, 8, 9, 7, 8], [1, 1, 4, 5]),
  },
  Gather: {
    inputs: [square],
    apply: (x) => ops.gather(x, table(x, [1, 1, 0]), 0),
    expected: tensor([3, 4, 3, 4, 1, 2], [3, 2]),
  },
  GatherElements: {
    inputs: [square],
    apply: (x) => ops.gatherElements(x, table(x, [1, 0, 1, 1], [2, 2]), 1),
    expected: tensor([2, 1, 4, 4], [2, 2]),
  },
  ScatterElements: {
    inputs: [signed, row],
    apply: (x, updates) => ops.scatterElements(x, table(x, [3, 3]), updates, { axis: 0, reduction: 'add' }),
    expected: tensor([-2, -0.5, 0, 31, 3]),
  },
  ArgMax: {
    inputs: [tensor([1, 5, 5, 9, 0, 2], [2, 3])],
    apply: (x) => ops.cast(ops.argMax(x, 1), 'float32'),
    expected: tensor([1, 0], [2, 1]),
  },
  TopK: {
    inputs: [signed],
    apply: (x) => ops.add(ops.mul(ops.cast(ops.topK(x, 0, 2).indices, 'float32'), 10), ops.topK(x, 0, 2).values),
    expected: tensor([43, 31]),
  },
  Resize: {
    inputs: [tensor([1, 2, 3, 4], [1, 1, 2, 2])],
    apply: (x) => ops.upsampleNearest(x, 2),
    expected: tensor([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4], [1, 1, 4, 4]),
  },
  MultiHeadAttention: {
    // Scores are ln 2 for the first key of the first two queries and 0 elsewhere; query t sees t + 1 keys.
    inputs: [tensor([Math.LN2, Math.LN2, 0], [1, 3, 1]), tensor([1, 0, 0], [1, 3, 1]), tensor([6, 12, 3], [1, 3, 1])],
    apply: (q, k, v) => ops.multiHeadAttention(q, k, v, { heads: 1, isCausal: true }),
    expected: tensor([6, 8, 7], [1, 3, 1]),
  },
}

describe('an operator gives what its definition says, in the shape foretold', () => {
  test.each(Object.entries(examples))('%s', async (_, { inputs, apply, expected }) => {
    const graph = new Graph()
    const value = apply(...inputs.map((input, i) => graph.input(`${i}`, input.shape)))
    graph.output('result', value)
    const result = await runOnce(graph, Object.fromEntries(inputs.map((input, i) => [`${i}`, input])))
    expect(value.shape).toEqual(expected.shape)
    expect(result.shape).toEqual(expected.shape)
    expect(relativeError(result, expected)).toBeLessThan(1e-6)
  })
})

describe('an open size runs with any number in its place', () => {
  const [h, w] = [symbol('h', 4), symbol('w')]
  const map: Shape = [1, 1, h, w]
  const conv = (stride: number) => (x: Value) =>
    ops.conv(x, ops.constant(x.graph, new Float32Array(9).fill(1), [1, 1, 3, 3]), null, {
      stride,
      pads: [1, 1, 1, 1],
      groups: 1,
    })
  const cases: readonly (readonly [string, Shape, (x: Value) => Value, (h: number, w: number) => readonly number[]])[] =
    [
      ['convolution', map, conv(1), (h, w) => [1, 1, h, w]],
      ['convolution of stride 2', [1, 1, h, 6], conv(2), (h) => [1, 1, h / 2, 3]],
      ['reshape to a product', map, (x) => ops.reshape(x, [elements(map), 1]), (h, w) => [h * w, 1]],
      ['reshape to two open sizes', map, (x) => ops.reshape(x, [w, 2, symbol('h', 2)]), (h, w) => [w, 2, h / 2]],
      ['last row', map, (x) => ops.slice(x, 2, addDims(h, -1)), (_, w) => [1, 1, 1, w]],
      ['all but a quarter of the rows', map, (x) => ops.slice(x, 2, symbol('h')), (h, w) => [1, 1, (h / 4) * 3, w]],
      ['every other row', map, (x) => ops.slice(x, 2, 0, h, 2), (h, w) => [1, 1, h / 2, w]],
      [
        'padding',
        map,
        (x) => ops.pad(x, { before: [0, 0, 1, 0], after: [0, 0, 1, 3], mode: 'wrap' }),
        (h, w) => [1, 1, h + 2, w + 3],
      ],
      ['joining', map, (x) => ops.concat([x, x, x], 3), (h, w) => [1, 1, h, 3 * w]],
      ['expansion', [1, h, 1, w], (x) => ops.expand(x, [1, h, 5, w]), (h, w) => [1, h, 5, w]],
      ['enlargement', map, (x) => ops.upsampleNearest(x, 2), (h, w) => [1, 1, 2 * h, 2 * w]],
    ]
  test.each(cases)('%s', async (_, shape, apply, expected) => {
    const graph = new Graph()
    const value = apply(graph.input('x', shape))
    graph.output('result', value)
    for (const [high, wide] of [
      [8, 5],
      [12, 3],
    ] as const) {
      const size = (dim: Dim) => (dim === h ? high : dim === w ? wide : Number(dim))
      const numbers = shape.map(size)
      const x = tensor(new Float32Array(numbers.reduce((a, b) => a * b, 1)).fill(1), numbers)
      expect((await runOnce(graph, { x })).shape).toEqual(expected(size(h), size(w)))
    }
  })
})
