import { expect, test } from 'vitest'
import { activationBytes } from '../runtime/activations.ts'
import { compile } from '../runtime/compile.ts'
import { grad } from './grad.ts'
import { add, matmul, mul, reduceSum, tanh } from './ops.ts'
import { simplify } from './simplify.ts'
import { Graph, type Value } from './value.ts'

const [layers, width, rows] = [64, 8, 16]

/** tanh after tanh, each beside a skip, and the gradient of what comes out of all by the first weight and by the last. */
function chain(recomputes: boolean): Graph {
  const graph = new Graph()
  const x = graph.input('x', [rows, width])
  const weights = Array.from({ length: layers }, (_, i) => graph.input(`w${i}`, [width, width]))
  const end = weights.reduce<Value>((h, weight) => add(h, tanh(matmul(tanh(h), weight))), x)
  const loss = reduceSum(mul(end, end), [0, 1])
  const [first, last] = grad(loss, [weights[0]!, weights.at(-1)!], { recomputes })
  graph.output('first', first!)
  graph.output('last', last!)
  return simplify(graph)
}

test('what the way back needs is computed anew: gradients to the bit, in memory of the order of √n', async () => {
  const feeds = Object.fromEntries(
    chain(false).inputs.map(({ source, shape }, k) => {
      const size = shape.map(Number).reduce((product, dim) => product * dim, 1)
      const data = Float32Array.from({ length: size }, (_, i) => Math.sin(3 * k + i) / 3)
      return [source.kind === 'input' ? source.name : '', { shape: shape.map(Number), data }]
    }),
  )
  const [kept, anew] = await Promise.all(
    [false, true].map(async (recomputes) => {
      const session = await compile(chain(recomputes), { residence: 'mapped', threads: 1 })
      const results = await session.run(feeds)
      await session.dispose()
      return results
    }),
  )
  expect(kept!.first!.data.some((x) => x !== 0)).toBe(true)
  expect(anew).toEqual(kept)

  // Each layer keeps two results of tanh; h comes free, as the way back does not read it.
  const one = 4 * rows * width
  const bytes = [false, true].map((recomputes) => activationBytes(chain(recomputes), feeds) / one)
  expect(bytes[0]).toBeGreaterThan(2 * layers)
  expect(bytes[1]).toBeLessThan(8 * Math.sqrt(layers))
})

test('a way forth that ends at once is not done again', () => {
  const graph = new Graph()
  const x = graph.input('x', [4])
  const loss = reduceSum(mul(x, x), [0])
  graph.output('dx', grad(loss, [x], { recomputes: true })[0]!)
  expect(simplify(graph).nodes.filter(({ op }) => op === 'After')).toHaveLength(0)
})
