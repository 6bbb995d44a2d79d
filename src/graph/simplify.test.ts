import { describe, expect, test } from 'vitest'
import { runOnce } from '../../test/models/runOnce.ts'
import type { WeightEntry } from '../files/weights.ts'
import { tensor } from '../tensor/tensor.ts'
import { symbol } from './dim.ts'
import { add, cast, constant, div, expand, mul, neg, reshape, sin, sqrt, sub, tanh, transpose } from './ops.ts'
import { print } from './print.ts'
import { simplify } from './simplify.ts'
import { Graph, type Value } from './value.ts'

const entry: WeightEntry = { name: 'w', dtype: 'F32', shape: [2], sizeBytes: 8, location: { bytes: new Uint8Array(8) } }

function simplified(build: (x: Value) => Value): string {
  const graph = new Graph()
  graph.output('y', build(graph.input('x', [symbol('n'), 2])))
  return print(simplify(graph)).split('\n').slice(1).join('\n')
}

describe('simplifying a graph', () => {
  test('computes what does not depend on the inputs', () => {
    const text = simplified((x) => add(x, neg(sqrt(mul(constant(x.graph, Float32Array.of(1, 4), [2]), 4)))))
    expect(text).toBe('%0: float32[n, 2] = Add(x, float32[2]{-2, -4})\noutput y = %0: float32[n, 2]')
  })

  test('computes constants as the runtime would', async () => {
    const build = (graph: Graph, x: Value) => {
      const table = constant(graph, Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), [3, 2])
      const turned = transpose(expand(reshape(table, [3, 1, 2]), [3, 2, 2]), [2, 0, 1])
      return mul(x, reshape(sin(div(sub(turned, mul(turned, turned)), constant(graph, 3))), [12]))
    }
    const graph = new Graph()
    graph.output('y', build(graph, graph.input('x', [12])))
    const x = tensor(new Array(12).fill(1))
    const [plain, folded] = [await runOnce(graph, { x }), await runOnce(simplify(graph), { x })]
    expect(simplify(graph).nodes).toHaveLength(1)
    for (const [i, value] of plain.data.entries()) expect(folded.data[i]).toBeCloseTo(value, 7)
  })

  test('does equal work once', () => {
    const text = simplified((x) => add(tanh(mul(x, 3)), tanh(mul(x, 3))))
    expect(text.match(/Tanh/g)).toHaveLength(1)
    expect(text.match(/Mul/g)).toHaveLength(1)
  })

  test('keeps work apart that differs in a parameter or the order of its inputs', () => {
    const text = simplified((x) => sub(sub(x, tanh(x)), sub(tanh(x), x)))
    expect(text.match(/Sub/g)).toHaveLength(3)
    const turned = simplified((x) => add(reshape(transpose(x, [1, 0]), [symbol('n'), 2]), reshape(x, [symbol('n'), 2])))
    expect(turned.match(/Transpose|Reshape/g)).toHaveLength(2)
  })

  test('leaves out what changes nothing', () => {
    const n = symbol('n')
    const text = simplified((x) => {
      const flat = reshape(reshape(reshape(x, [n, 1, 2]), [2, n]), [n, 2])
      return transpose(transpose(mul(add(sub(div(flat, 1), 0), 0), 1), [0, 1]), [0, 1])
    })
    expect(text).toBe('output y = x: float32[n, 2]')
  })

  test('keeps an addition of zeros that stretches a value', () => {
    const graph = new Graph()
    graph.output('y', add(graph.input('x', [2]), constant(graph, new Float32Array(6), [3, 2])))
    expect(simplify(graph).outputs.get('y')?.shape).toEqual([3, 2])
    expect(simplify(graph).nodes).toHaveLength(1)
  })

  test('forgets nodes and weights that no output needs, but no input', () => {
    const graph = new Graph()
    const x = graph.input('x', [2])
    const unused = graph.input('unused', [7])
    tanh(add(unused, cast(graph.weight('w', entry, 'float32'), 'float32').shape.length))
    graph.output('y', tanh(x))
    const simple = simplify(graph)
    expect(simple.nodes.map(({ op }) => op)).toEqual(['Tanh'])
    expect(simple.weights).toEqual([])
    expect(simple.inputs.map(({ shape }) => shape)).toEqual([[2], [7]])
  })

  test('changes nothing the second time', () => {
    const graph = new Graph()
    const x = graph.input('x', [symbol('n'), 2])
    graph.output('y', add(tanh(mul(x, 3)), mul(graph.weight('w', entry, 'float32'), mul(x, 3))))
    expect(print(simplify(simplify(graph)))).toBe(print(simplify(graph)))
  })
})
