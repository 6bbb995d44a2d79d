import { describe, expect, test } from 'vitest'
import { compile } from '../runtime/compile.ts'
import { sizeOf } from '../tensor/shape.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { symbol } from './dim.ts'
import { grad } from './grad.ts'
import type { OpName } from './operators.ts'
import * as ops from './ops.ts'
import { Graph, type Value } from './value.ts'
import { vjp } from './vjp.ts'
import { attentionVjp } from './vjpAttention.ts'

/** An operator applied to inputs of these shapes, whose numbers are drawn from `from` to `to`. */
interface Example {
  readonly shapes: readonly (readonly number[])[]
  readonly build: (inputs: readonly Value[]) => Value
  readonly from?: number
  readonly to?: number
}

const unary = (build: (x: Value) => Value, from = -2, to = 2): Example[] => [
  { shapes: [[2, 3]], build: ([x]) => build(x!), from, to },
]
const broadcast = (build: (a: Value, b: Value) => Value, from = -2): Example[] => [
  {
    shapes: [
      [2, 1, 3],
      [4, 1],
    ],
    build: ([a, b]) => build(a!, b!),
    from,
  },
  {
    shapes: [
      [2, 3],
      [2, 3],
    ],
    build: ([a, b]) => build(a!, b!),
    from,
  },
]
const conv = (params: { stride: number; pads: readonly [number, number, number, number] }): Example => ({
  shapes: [[2, 2, 6, 4], [3, 2, 3, 3], [3]],
  build: ([x, w, b]) => ops.conv(x!, w!, b!, { ...params, groups: 1 }),
})
const table = (x: Value, ...rows: number[]) => ops.integers(x.graph, rows)

/** Examples of every operator that has a derivative; the compiler names one that is missing. */
const examples: { readonly [Op in OpName]: readonly Example[] | null } = {
  Add: broadcast(ops.add),
  Sub: broadcast(ops.sub),
  Mul: broadcast(ops.mul),
  Div: broadcast(ops.div, 0.5),
  Neg: unary(ops.neg),
  Sqrt: unary(ops.sqrt, 0.5),
  Abs: unary(ops.abs),
  Exp: unary(ops.exp),
  Log: unary(ops.log, 0.5),
  Sin: unary(ops.sin),
  Cos: unary(ops.cos),
  Tanh: unary(ops.tanh),
  Sigmoid: unary(ops.sigmoid),
  Relu: unary(ops.relu),
  LeakyRelu: unary((x) => ops.leakyRelu(x, 0.2)),
  Erf: unary(ops.erf),
  Gelu: unary(ops.gelu),
  QuickGelu: unary((x) => ops.quickGelu(x, 1.702)),
  Clip: unary((x) => ops.clip(x, -0.7, 0.8)),
  Equal: null,
  Less: null,
  Where: [{ shapes: [[2, 3], [2, 3], [3]], build: ([c, a, b]) => ops.where(ops.less(0, c!), a!, b!) }],
  Cast: unary((x) => ops.cast(ops.cast(x, 'float64'), 'float32')),
  MatMul: [
    {
      shapes: [
        [2, 3, 4],
        [4, 2],
      ],
      build: ([a, b]) => ops.matmul(a!, b!),
    },
  ],
  FusedMatMul: [
    {
      shapes: [
        [2, 3, 4],
        [4, 2],
      ],
      build: ([a, b]) => ops.fusedMatmul(a!, b!, { alpha: 0.5 }),
    },
    {
      shapes: [
        [2, 4, 3],
        [4, 2],
      ],
      build: ([a, b]) => ops.fusedMatmul(a!, b!, { transA: true }),
    },
    {
      shapes: [
        [2, 3, 4],
        [2, 2, 4],
      ],
      build: ([a, b]) => ops.fusedMatmul(a!, b!, { transB: true }),
    },
    {
      shapes: [
        [4, 3],
        [2, 4],
      ],
      build: ([a, b]) => ops.fusedMatmul(a!, b!, { transA: true, transB: true, alpha: 2 }),
    },
  ],
  Gemm: [
    { shapes: [[3, 4], [2, 4], [2]], build: ([x, w, b]) => ops.gemm(x!, w!, b!) },
    {
      shapes: [
        [3, 4],
        [2, 4],
      ],
      build: ([x, w]) => ops.gemm(x!, w!, null),
    },
  ],
  Conv: [
    conv({ stride: 1, pads: [1, 1, 1, 1] }),
    conv({ stride: 2, pads: [1, 1, 1, 1] }),
    conv({ stride: 2, pads: [0, 0, 1, 1] }),
    conv({ stride: 1, pads: [0, 0, 0, 0] }),
    {
      shapes: [
        [1, 2, 3, 3],
        [2, 2, 1, 1],
      ],
      build: ([x, w]) => ops.conv(x!, w!, null, { stride: 1, pads: [0, 0, 0, 0], groups: 1 }),
    },
  ],
  BlockedConv: null,
  ReorderInput: null,
  ReorderOutput: null,
  Softmax: unary((x) => ops.softmax(x, -1)),
  LayerNormalization: [
    { shapes: [[2, 5], [5], [5]], build: ([x, scale, bias]) => ops.layerNormalization(x!, scale!, bias!, 1e-5) },
  ],
  InstanceNormalization: [
    {
      shapes: [[2, 2, 2, 3], [2], [2]],
      build: ([x, scale, bias]) => ops.instanceNormalization(x!, scale!, bias!, 1e-5),
    },
  ],
  ReduceSum: [{ shapes: [[2, 3, 2]], build: ([x]) => ops.reduceSum(x!, [0, 2]) }],
  ReduceMean: [{ shapes: [[2, 3, 2]], build: ([x]) => ops.reduceMean(x!, [1]) }],
  After: unary((x) => ops.after(x, ops.exp(x))),
  Reshape: unary((x) => ops.reshape(x, [3, 2])),
  Transpose: [{ shapes: [[2, 3, 4]], build: ([x]) => ops.transpose(x!, [2, 0, 1]) }],
  Concat: [
    {
      shapes: [
        [2, 3],
        [2, 1],
      ],
      build: (parts) => ops.concat(parts, 1),
    },
  ],
  Slice: [
    { shapes: [[2, 5]], build: ([x]) => ops.slice(x!, 1, 1, 4) },
    { shapes: [[2, 5]], build: ([x]) => ops.slice(x!, 1, 0, 5, 2) },
  ],
  Expand: [{ shapes: [[2, 1]], build: ([x]) => ops.expand(x!, [3, 2, 4]) }],
  Pad: [
    { shapes: [[2, 3]], build: ([x]) => ops.pad(x!, { before: [0, 1], after: [1, 2], mode: 'constant' }) },
    { shapes: [[2, 4]], build: ([x]) => ops.pad(x!, { before: [0, 1], after: [0, 2], mode: 'wrap' }) },
  ],
  Gather: [
    { shapes: [[4, 3]], build: ([x]) => ops.gather(x!, table(x!, 2, 0, 2), 0) },
    { shapes: [[2, 4, 2]], build: ([x]) => ops.gather(x!, table(x!, 3, 1), 1) },
  ],
  GatherElements: [
    { shapes: [[2, 3]], build: ([x]) => ops.gatherElements(x!, ops.integers(x!.graph, [2, 2, 0, 1], [2, 2]), 1) },
  ],
  ScatterElements: (['none', 'add'] as const).map((reduction) => ({
    shapes: [
      [2, 3],
      [2, 2],
    ],
    build: ([x, updates]) =>
      ops.scatterElements(x!, ops.integers(x!.graph, [2, 0, 0, 1], [2, 2]), updates!, { axis: 1, reduction }),
  })),
  ArgMax: null,
  TopK: [{ shapes: [[2, 5]], build: ([x]) => ops.topK(x!, 1, 2).values }],
  Resize: [{ shapes: [[1, 2, 2, 3]], build: ([x]) => ops.upsampleNearest(x!, 2) }],
  MultiHeadAttention: [
    {
      shapes: [
        [2, 3, 4],
        [2, 5, 4],
        [2, 5, 4],
      ],
      build: ([q, k, v]) => ops.multiHeadAttention(q!, k!, v!, { heads: 2, isCausal: false }),
    },
    {
      shapes: [
        [1, 4, 4],
        [1, 4, 4],
        [1, 4, 4],
      ],
      build: ([q, k, v]) => ops.multiHeadAttention(q!, k!, v!, { heads: 2, isCausal: true }),
    },
  ],
}

/** A small generator, so that a failing example fails again. */
function drawer(seed: number) {
  let state = seed
  return (from: number, to: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return from + ((to - from) * state) / 2 ** 32
  }
}

async function gradientsOf({ shapes, build, from = -2, to = 2 }: Example) {
  const graph = new Graph()
  const inputs = shapes.map((shape, i) => graph.input(`x${i}`, shape))
  const y = build(inputs)
  const weights = graph.input('weights', y.shape)
  const loss = ops.reduceSum(
    ops.mul(y, weights),
    y.shape.map((_, axis) => axis),
  )
  graph.output('loss', loss)
  grad(loss, inputs).forEach((gradient, i) => {
    graph.output(`d${i}`, gradient)
  })

  const draw = drawer(7)
  const random = (shape: readonly number[]): Tensor =>
    tensor(
      Array.from({ length: sizeOf(shape) }, () => draw(from, to)),
      shape,
    )
  const feeds: Record<string, Tensor> = { weights: random(y.shape as number[]) }
  shapes.forEach((shape, i) => {
    feeds[`x${i}`] = random(shape)
  })

  const session = await compile(graph, { residence: 'packed', threads: 1, cacheDir: '' })
  const results = await session.run(feeds)
  const lossAt = async (name: string, index: number, step: number) => {
    const data = feeds[name]!.data.slice()
    data[index]! += step
    const { loss } = await session.run({ ...feeds, [name]: { shape: feeds[name]!.shape, data } })
    return loss!.data[0]!
  }
  const pairs: { exact: number; differences: number }[] = []
  const step = 2 ** -7
  for (const [i, shape] of shapes.entries()) {
    for (let index = 0; index < sizeOf(shape); index++) {
      // Richardson: the error of two central differences cancels to fourth order.
      const near = ((await lossAt(`x${i}`, index, step)) - (await lossAt(`x${i}`, index, -step))) / (2 * step)
      const far = ((await lossAt(`x${i}`, index, 2 * step)) - (await lossAt(`x${i}`, index, -2 * step))) / (4 * step)
      pairs.push({ exact: results[`d${i}`]!.data[index]!, differences: (4 * near - far) / 3 })
    }
  }
  await session.dispose()
  return pairs
}

describe('every backward rule agrees with central differences', () => {
  for (const [op, list] of Object.entries(examples)) {
    for (const [i, example] of (list ?? []).entries()) {
      test(`${op} ${i}`, async () => {
        const pairs = await gradientsOf(example)
        expect(pairs.some(({ exact }) => exact !== 0)).toBe(true)
        const size = Math.max(...pairs.map(({ exact }) => Math.abs(exact)))
        for (const { exact, differences } of pairs) expect(Math.abs(exact - differences) / size).toBeLessThan(2e-3)
      })
    }
  }
})

test('operators without examples are those without a derivative', () => {
  const without = (table: Readonly<Record<string, unknown>>) => Object.keys(table).filter((op) => table[op] === null)
  expect(without(examples)).toEqual(without(vjp))
})

test('frozen branches are not walked and an unused value gets zeros', () => {
  const graph = new Graph()
  const [x, frozen, unused] = ['x', 'frozen', 'unused'].map((name) => graph.input(name, [symbol('n'), 2]))
  const loss = ops.reduceSum(ops.mul(x!, ops.exp(frozen!)), [0, 1])
  const before = graph.nodes.length
  const [dx, dUnused] = grad(loss, [x!, unused!])
  expect(graph.nodes.slice(before).every(({ op }) => op !== 'Exp')).toBe(true)
  expect(dx!.shape).toEqual(x!.shape)
  expect(dUnused!.source).toMatchObject({ kind: 'node', node: { op: 'Expand' } })
})

test('attention of many tokens goes back head by head, to the same bits', async () => {
  const graph = new Graph()
  const [dy, query] = ['dy', 'query'].map((name) => graph.input(name, [2, 5, 9]))
  const [key, value] = ['key', 'value'].map((name) => graph.input(name, [2, 4, 9]))
  const params = { heads: 3, isCausal: false }
  for (const [name, limit] of Object.entries({ together: 2 ** 20, pairs: 2 * 4 * 2 * 5 * 4, alone: 1 })) {
    const gradients = attentionVjp(dy!, [query!, key!, value!], params, limit)
    for (const [i, gradient] of gradients.entries()) graph.output(`${name} ${i}`, gradient)
  }
  const draw = drawer(3)
  const random = ({ shape }: Value) =>
    tensor(
      Array.from({ length: sizeOf(shape as number[]) }, () => draw(-2, 2)),
      shape as number[],
    )
  const session = await compile(graph, { residence: 'mapped', threads: 1 })
  const results = await session.run({
    dy: random(dy!),
    query: random(query!),
    key: random(key!),
    value: random(value!),
  })
  await session.dispose()
  for (const i of [0, 1, 2]) {
    expect(results[`pairs ${i}`]).toEqual(results[`together ${i}`])
    expect(results[`alone ${i}`]).toEqual(results[`together ${i}`])
  }
})
