import { add, div, matmul, mul, reduceSum, reshape, sqrt, sub, transpose } from '../graph/ops.ts'
import { Graph, type Value } from '../graph/value.ts'
import type { Butterfly, Glora, LayerAdapter, Magnitude } from './adapter.ts'
import type { LayerShape } from './families.ts'
import type { Matrix } from './matrix.ts'

/** A graph `weight`, `strength`, and the adapter's tensors → `merged`, with what to feed for the adapter. */
export interface MergeGraph {
  readonly graph: Graph
  readonly feeds: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>
  /** Equal for graphs that are equal: a session of one then serves the other's feeds. */
  readonly key: string
}

/**
 * W + strength · ΔW for one layer, W as [rows, columns]. Where a family gives the new weight itself, ΔW is what it
 * differs by from W at strength 1.
 */
export function mergeGraph(adapter: LayerAdapter, layer: LayerShape): MergeGraph {
  const graph = new Graph()
  const feeds: Record<string, { shape: readonly number[]; data: Float32Array }> = {}
  const feed: Feed = (name, { shape, data }) => {
    feeds[name] = { shape, data }
    return graph.input(name, shape)
  }
  const weight = graph.input('weight', [layer.rows, layer.inputs * layer.points])
  const strength = graph.input('strength', [])
  const delta = deltaOf(adapter, { weight, layer, feed })
  const whole =
    'magnitude' in adapter && adapter.magnitude
      ? brought(add(weight, delta), adapter.magnitude, layer, feed)
      : undefined
  graph.output('merged', add(weight, mul(whole ? sub(whole, weight) : delta, strength)))

  const shapes = Object.entries(feeds).map(([name, { shape }]) => `${name} ${shape.join('×')}`)
  const { rows, inputs, points } = layer
  return { graph, feeds, key: [adapter.family, rows, inputs, points, ...shapes].join(' ') }
}

type Feed = (name: string, numbers: { readonly shape: readonly number[]; readonly data: Float32Array }) => Value

interface Place {
  readonly weight: Value
  readonly layer: LayerShape
  readonly feed: Feed
}

function deltaOf(adapter: LayerAdapter, place: Place): Value {
  const { weight, feed } = place
  const scaled = (x: Value, scale: number) => mul(x, feed('scale', { shape: [], data: Float32Array.of(scale) }))
  switch (adapter.family) {
    case 'lora':
      return scaled(transpose(matmul(feed('down', adapter.down), feed('up', adapter.up)), [1, 0]), adapter.scale)
    case 'loha': {
      const first = matmul(feed('a1', adapter.a1), feed('b1', adapter.b1))
      return scaled(mul(first, matmul(feed('a2', adapter.a2), feed('b2', adapter.b2))), adapter.scale)
    }
    case 'lokr':
      return scaled(kronecker(feed('w1', adapter.w1), feed('w2', adapter.w2), adapter), adapter.scale)
    case 'glora':
      return scaled(glora(adapter, place), adapter.scale)
    case 'ia3':
      return mul(weight, feed('factors', adapter.factors))
    case 'full':
    case 'norm':
      if (!adapter.weight) throw new Error('internal: a difference of the bias alone changes no weight')
      return feed('difference', adapter.weight)
    case 'oft':
      return sub(
        rescaled(inBlocks(weight, feed('blocks', adapter.blocks), adapter.blocks.shape), adapter.rescale, feed),
        weight,
      )
    case 'boft':
      return sub(rescaled(butterfly(adapter, place), adapter.rescale, feed), weight)
  }
}

/** w₁ ⊗ w₂: element (i·p + k, j·q + l) is w₁[i, j] · w₂[k, l]. */
function kronecker(
  w1: Value,
  w2: Value,
  { w1: { shape: one }, w2: { shape: two } }: { w1: Matrix; w2: Matrix },
): Value {
  const product = mul(reshape(w1, [one[0], 1, one[1], 1]), reshape(w2, [1, two[0], 1, two[1]]))
  return reshape(product, [one[0] * two[0], one[1] * two[1]])
}

/** b·d + W·a·c, the second product over the inputs at every point of the kernel. */
function glora({ a, b, c, d }: Glora, { weight, layer: { rows, inputs, points }, feed }: Place): Value {
  const pointsFirst = transpose(reshape(weight, [rows, inputs, points]), [0, 2, 1])
  const product = matmul(matmul(pointsFirst, feed('a', a)), feed('c', c))
  const own = reshape(transpose(product, [0, 2, 1]), [rows, inputs * points])
  return add(matmul(feed('b', b), feed('d', d)), own)
}

/** A block-diagonal matrix times W. */
function inBlocks(weight: Value, blocks: Value, [count, size]: readonly number[]): Value {
  const columns = weight.shape[1]!
  return reshape(matmul(blocks, reshape(weight, [count!, size!, columns])), weight.shape)
}

/**
 * Stage i of a butterfly takes the rows in groups of size · 2ⁱ, and in each group takes its two halves' rows in
 * turn, so that every stage mixes rows twice as far apart as the one before.
 */
function butterfly({ stages }: Butterfly, { weight, layer: { rows, inputs, points }, feed }: Place): Value {
  const [count, blocks, size] = stages.shape as readonly [number, number, number]
  const columns = inputs * points
  let x = weight
  for (let stage = 0; stage < count; stage++) {
    const half = (size / 2) * 2 ** stage
    const groups = rows / (2 * half)
    const stride = blocks * size * size
    const numbers = stages.data.subarray(stage * stride, (stage + 1) * stride)
    const rotation = feed(`stage${stage}`, { shape: [blocks, size, size], data: numbers })
    const woven = reshape(transpose(reshape(x, [groups, 2, half, columns]), [0, 2, 1, 3]), [rows, columns])
    const turned = inBlocks(woven, rotation, [blocks, size])
    x = reshape(transpose(reshape(turned, [groups, half, 2, columns]), [0, 2, 1, 3]), [rows, columns])
  }
  return x
}

function rescaled(weight: Value, rescale: Matrix | undefined, feed: Feed): Value {
  return rescale ? mul(weight, feed('rescale', rescale)) : weight
}

/** Float32's precision: keeps a row of zeros from being divided by its length. */
const epsilon = 2 ** -23

/** A weight whose rows, or whose inputs over all rows and points, are brought to the lengths given. */
function brought(weight: Value, magnitude: Magnitude, { rows, inputs, points }: LayerShape, feed: Feed): Value {
  const isByRow = magnitude.shape[0] === rows
  const x = isByRow ? reshape(weight, [rows, 1, inputs * points]) : reshape(weight, [rows, inputs, points])
  const length = add(sqrt(reduceSum(mul(x, x), isByRow ? [2] : [0, 2])), epsilon)
  const wanted = feed('magnitude', { ...magnitude, shape: isByRow ? [rows, 1, 1] : [1, inputs, 1] })
  return reshape(mul(x, div(wanted, length)), weight.shape)
}
