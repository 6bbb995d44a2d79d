import { gemm } from '../graph/ops.ts'
import type { Graph } from '../graph/value.ts'
import { Graph as EmptyGraph } from '../graph/value.ts'
import { activationBytes } from '../runtime/activations.ts'
import { compile } from '../runtime/compile.ts'
import { fixedFirst } from '../runtime/hoist.ts'
import { sizeOf } from '../tensor/shape.ts'

/** What a step takes. */
export interface StepCost {
  readonly seconds: number
  readonly bytes: number
}

/** Time and memory of a step, from what its graph of known sizes multiplies and this machine's speed. */
export async function stepCost(graph: Graph, threads: number): Promise<StepCost> {
  const feeds = Object.fromEntries(
    graph.inputs.map(({ source, shape }) => [
      source.kind === 'input' ? source.name : '',
      { shape: shape.map(Number), data: new Float32Array(0) },
    ]),
  )
  const weightBytes = graph.weights.reduce((sum, { shape }) => sum + 4 * sizeOf(shape.map(Number)), 0)
  return {
    seconds: multiplications(graph) / (await speed(threads)),
    bytes: activationBytes(fixedFirst(graph), feeds) + weightBytes,
  }
}

/** Multiplications of the products and convolutions of a graph with known sizes. */
function multiplications(graph: Graph): number {
  return graph.nodes.reduce((sum, { op, inputs, outputs }) => {
    const out = sizeOf(outputs[0]!.shape.map(Number))
    if (op === 'Conv') return sum + out * sizeOf(inputs[1]!.shape.slice(1).map(Number))
    if (op === 'Gemm') return sum + out * Number(inputs[1]!.shape[1])
    return op === 'MatMul' ? sum + out * Number(inputs[0]!.shape.at(-1)) : sum
  }, 0)
}

/** Multiplications a second, of a product as large as a layer; half of what it reaches, since a step does more than these. */
async function speed(threads: number): Promise<number> {
  const side = 512
  const graph = new EmptyGraph()
  graph.output('y', gemm(graph.input('x', [side, side]), graph.input('w', [side, side]), null))
  const session = await compile(graph, { residence: 'mapped', threads })
  const matrix = { shape: [side, side], data: new Float32Array(side * side).fill(1) }
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 4; i++) {
    const before = performance.now()
    await session.run({ x: matrix, w: matrix })
    best = Math.min(best, performance.now() - before)
  }
  await session.dispose()
  return (0.5 * side ** 3) / (best / 1000)
}
