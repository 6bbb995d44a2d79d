import { expect, test } from 'vitest'
import { numbers } from '../../../test/models/numbered.ts'
import { runOnce } from '../../../test/models/runOnce.ts'
import { Graph, type Value } from '../../graph/value.ts'
import { tensor } from '../../tensor/tensor.ts'
import { clipLoss, siglipLoss } from './contrastive.ts'

const size = 5
const vectors = { pictures: numbers('pictures', [size, 8]), texts: numbers('texts', [size, 8]) }

/** Cosines in double precision, by rows of pictures. */
const cosines = Array.from({ length: size }, (_, i) =>
  Array.from({ length: size }, (_, j) => {
    const [a, b] = [vectors.pictures.data.subarray(8 * i, 8 * i + 8), vectors.texts.data.subarray(8 * j, 8 * j + 8)]
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, xi, k) => sum + xi * y[k]!, 0)
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
  }),
)

async function lossOf(
  build: (inputs: Record<'pictures' | 'texts' | 'logScale' | 'bias', Value>) => Value,
  logScale: number,
) {
  const graph = new Graph()
  const inputs = {
    pictures: graph.input('pictures', [size, 8]),
    texts: graph.input('texts', [size, 8]),
    logScale: graph.input('logScale', []),
    bias: graph.input('bias', []),
  }
  graph.output('loss', build(inputs))
  const scalar = (x: number) => tensor([x], [])
  return (await runOnce(graph, { ...vectors, logScale: scalar(logScale), bias: scalar(-3) })).data[0]!
}

// A factor of 200, whose exponentials float32 cannot hold, shows that they are never taken.
test.each([0, Math.log(14), Math.log(200)])('at scale e^%f the losses are their definitions', async (logScale) => {
  const scores = cosines.map((row) => row.map((cosine) => Math.exp(logScale) * cosine))
  const entropy = (rows: readonly (readonly number[])[]) =>
    rows.reduce((sum, row, i) => sum + Math.log(row.reduce((all, x) => all + Math.exp(x), 0)) - row[i]!, 0) / size
  const columns = scores.map((_, j) => scores.map((row) => row[j]!))
  expect((await lossOf(clipLoss, logScale)) / ((entropy(scores) + entropy(columns)) / 2)).toBeCloseTo(1, 5)

  const softplus = (z: number) => Math.log1p(Math.exp(-z))
  const pairwise = scores.flatMap((row, i) => row.map((x, j) => softplus(i === j ? x - 3 : 3 - x)))
  expect((await lossOf(siglipLoss, logScale)) / (pairwise.reduce((sum, x) => sum + x, 0) / size)).toBeCloseTo(1, 5)
})
