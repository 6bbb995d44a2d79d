import type { WeightEntry } from '../files/weights.ts'
import { mulDims, symbol } from '../graph/dim.ts'
import { add, conv, matmul, mul, reshape, transpose } from '../graph/ops.ts'
import type { Value } from '../graph/value.ts'
import type { Adapter, LayerSite } from '../nn/scope.ts'
import type { Feed } from '../runtime/session.ts'
import { sizeOf } from '../tensor/shape.ts'
import { layerShape } from './families.ts'
import type { Branch, NetworkPlan, Strength } from './plan.ts'

/**
 * Which layers of a graph have branches: those of the transformers and the text encoder, which is what a plain LoRA
 * adapts, or every linear layer and convolution. A graph with more branches takes longer to run.
 */
export type Reach = 'transformers' | 'all'

/** The smallest reach that has all branches of a plan. */
export function reachOf({ branches }: NetworkPlan): Reach {
  return [...branches.keys()].every((path) => isWithin('transformers', path)) ? 'transformers' : 'all'
}

/**
 * Puts a low-rank branch beside each layer in reach: y + U·S·(D·x), whose matrices are inputs of the graph. For a
 * layer `path` they are `path.lora_down` [rank, in, …kernel], `path.lora_up` [out, rank] and `path.lora_scale`
 * [batch, rank], S's diagonal for each row of the batch. `branchFeeds` makes them.
 */
export function attachBranches(reach: Reach): Adapter {
  return (site, x, y) => (isWithin(reach, site.path) ? add(y, branch(site, x, y)) : y)
}

function branch(site: LayerSite, x: Value, y: Value): Value {
  const { graph } = y
  const { path, weightShape } = site
  const rank = symbol(`rank of ${path}`)
  const batch = y.shape[0]!
  const [out, ...ins] = weightShape as readonly [number, ...number[]]
  const down = graph.input(`${path}.lora_down`, [rank, ...ins])
  const up = graph.input(`${path}.lora_up`, [out, rank])
  const scale = graph.input(`${path}.lora_scale`, [batch, rank])

  // The strengths of a row multiply the small matrix rather than the layer's many points.
  if (site.kind === 'linear') {
    const scaled = mul(transpose(up, [1, 0]), reshape(scale, [batch, rank, 1]))
    const isFlat = x.shape.length === 2
    const rows = isFlat ? reshape(x, [batch, 1, x.shape[1]!]) : x
    return reshape(matmul(matmul(rows, transpose(down, [1, 0])), scaled), y.shape)
  }
  const scaled = mul(up, reshape(scale, [batch, 1, rank]))
  const points = mulDims(...y.shape.slice(2))
  return reshape(matmul(scaled, reshape(convolved(site, x, down), [batch, rank, points])), y.shape)
}

/** D·x at every point. A kernel of one point is a matrix product, which needs no convolution. */
function convolved({ weightShape, stride, padding }: LayerSite, x: Value, down: Value): Value {
  const [, channels, kernel] = weightShape as readonly [number, number, number, number]
  if (kernel > 1 || stride > 1) {
    return conv(x, down, null, { stride, pads: [padding, padding, padding, padding], groups: 1 })
  }
  const space = mulDims(...x.shape.slice(2))
  return matmul(reshape(down, [down.shape[0]!, channels]), reshape(x, [x.shape[0]!, channels, space]))
}

function isWithin(reach: Reach, path: string): boolean {
  return reach === 'all' || !isOfUnet(path) || /\.(transformer_blocks|proj_in|proj_out)\b/.test(path)
}

/**
 * The feeds of a graph's branches for one plan and batch; they hold as long as these two do. Several networks on a
 * layer lie side by side along the rank. `inputs` are the graph's: layers without a network get one rank of zeros.
 */
export function branchFeeds(
  { branches }: NetworkPlan,
  {
    inputs,
    weights,
    batch,
  }: {
    readonly inputs: readonly string[]
    readonly weights: ReadonlyMap<string, WeightEntry>
    readonly batch: number
  },
): Record<string, Feed> {
  const feeds: Record<string, Feed> = {}
  const paths = inputs.filter((name) => name.endsWith('.lora_down')).map((name) => name.slice(0, -'.lora_down'.length))
  for (const path of paths) {
    const shape = weights.get(`${path}.weight`)?.shape
    if (!shape) throw new Error(`internal: ${path} has a branch but no weight`)
    const { down, up, scale } = stacked(branches.get(path) ?? [], shape, batch)
    feeds[`${path}.lora_down`] = down
    feeds[`${path}.lora_up`] = up
    feeds[`${path}.lora_scale`] = scale
  }
  const isUnet = paths.some(isOfUnet)
  const missing = isUnet && [...branches.keys()].find((path) => isOfUnet(path) && !(`${path}.lora_down` in feeds))
  if (missing) throw new Error(`internal: the graph has no branch at ${missing}`)
  return feeds
}

function isOfUnet(path: string): boolean {
  return path.startsWith('model.diffusion_model.')
}

/** Branches of one layer as one: down [Σrank, in, …kernel], up [out, Σrank], scale [batch, Σrank]. */
function stacked(branches: readonly Branch[], weightShape: readonly number[], batch: number) {
  const [out, ...ins] = weightShape as readonly [number, ...number[]]
  const { inputs, points } = layerShape(weightShape)
  const columns = inputs * points
  const rank = branches.reduce((sum, { adapter }) => sum + adapter.up.shape[1], 0)
  if (rank === 0) {
    const zeros = (shape: readonly number[]) => ({ shape, data: new Float32Array(sizeOf(shape)) })
    return { down: zeros([1, ...ins]), up: zeros([out, 1]), scale: zeros([batch, 1]) }
  }

  const [first] = branches
  const isAlone = branches.length === 1
  const down = isAlone ? first!.adapter.down.data : new Float32Array(rank * columns)
  const up = isAlone ? first!.adapter.up.data : new Float32Array(out * rank)
  const scale = new Float32Array(batch * rank)
  let from = 0
  for (const { adapter, strength } of branches) {
    const own = adapter.up.shape[1]
    if (!isAlone) {
      down.set(adapter.down.data, from * columns)
      for (let row = 0; row < out; row++) {
        up.set(adapter.up.data.subarray(row * own, (row + 1) * own), row * rank + from)
      }
    }
    for (let row = 0; row < batch; row++) {
      scale.fill(strengthOf(strength, row, batch) * adapter.scale, row * rank + from, row * rank + from + own)
    }
    from += own
  }
  return {
    down: { shape: [rank, ...ins], data: down },
    up: { shape: [out, rank], data: up },
    scale: { shape: [batch, rank], data: scale },
  }
}

function strengthOf(strength: Strength, row: number, batch: number): number {
  if (typeof strength === 'number') return strength
  if (strength.length !== batch) throw new Error(`internal: ${strength.length} strengths for a batch of ${batch}`)
  return strength[row]!
}
