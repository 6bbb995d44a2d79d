import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { grad } from '../graph/grad.ts'
import { toOnnx } from '../graph/onnx.ts'
import { add, gemm, mul, reduceSum, tanh } from '../graph/ops.ts'
import { simplify } from '../graph/simplify.ts'
import { Graph, type Value } from '../graph/value.ts'
import { activationBytes } from './activations.ts'
import { sessionOptions } from './native.ts'
import { resultsLast, runOrder } from './runOrder.ts'

/** A deep net, its loss, and the gradients of all its weights. */
function trained(layers: number): Graph {
  const graph = new Graph()
  const x = graph.input('x', [32, 4])
  const weights = Array.from({ length: layers }, (_, i) => graph.input(`w${i}`, [4, 4]))
  const end = weights.reduce<Value>((h, weight) => add(h, tanh(gemm(h, weight, null))), x)
  const loss = reduceSum(mul(end, end), [0, 1])
  graph.output('loss', loss)
  for (const [i, gradient] of grad(loss, weights).entries()) graph.output(`d w${i}`, gradient)
  return simplify(graph)
}

test('the order is that in which the runtime says it ran', async () => {
  const graph = trained(6)
  const folder = mkdtempSync(join(tmpdir(), 'athanor-profile-'))
  try {
    const options = sessionOptions({ threads: 1, folder })
    const bytes = toOnnx(graph, () => ({ bytes: new Uint8Array() }), resultsLast(graph))
    const session = await InferenceSession.create(bytes, {
      ...options,
      enableProfiling: true,
      profileFilePrefix: join(folder, 'run'),
    })
    const feeds = graph.inputs.map(({ source, shape }) => {
      const dims = shape.map(Number)
      const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1)).fill(0.1)
      return [source.kind === 'input' ? source.name : '', new Tensor('float32', data, dims)]
    })
    await session.run(Object.fromEntries(feeds))
    session.endProfiling()
    await session.release()
    const events = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')) as readonly {
      name: string
      ts: number
      args?: { op_name?: string }
    }[]
    const run = events
      .filter(({ name }) => name.endsWith('_kernel_time'))
      .sort((a, b) => a.ts - b.ts)
      .map(({ args }) => args!.op_name)
    expect(run).toEqual(runOrder(graph).map(({ op }) => op))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('each gradient of a weight is made while what it is made of is there', () => {
  const graph = trained(40)
  const results = [...graph.outputs.values()].map(({ source }) => (source.kind === 'node' ? source.node : undefined))
  const places = results.map((node) => runOrder(graph).indexOf(node!))
  expect(places[0]).toBeLessThan(places.at(-1)!)
  // The last layer's first: the way back comes to it before the others.
  expect(places.slice(1)).toEqual([...places.slice(1)].sort((a, b) => b - a))
  // What a layer leaves behind is tanh and its input, 2 · 32 · 4 numbers; a gradient that waits holds as much again.
  expect(activationBytes(graph, {})).toBeLessThan(4 * 32 * 4 * (2 * 40 + 12))
})
