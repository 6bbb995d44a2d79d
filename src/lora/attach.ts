import { mulDims, symbol } from '../graph/dim.ts'
import { add, conv, matmul, reshape } from '../graph/ops.ts'
import type { Graph, Value } from '../graph/value.ts'
import type { Adapter, LayerSite } from '../nn/scope.ts'
import type { Feed } from '../runtime/session.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Branch, NetworkPlan, Strength } from './plan.ts'

/**
 * Which layers of a graph have branches: those of the transformers and the text encoder, which is what a plain LoRA
 * adapts, or every linear layer and convolution. A graph with more branches takes longer to make and to run.
 */
export type Reach = 'transformers' | 'all'

/** The smallest reach that has all branches of a plan. */
export function reachOf({ branches }: NetworkPlan): Reach {
  return [...branches.keys()].every((path) => isWithin('transformers', path)) ? 'transformers' : 'all'
}

/**
 * Puts a low-rank branch beside each layer in reach: y + U·D·x, both matrices inputs of the graph. U has a dimension
 * for the batch, so that every row has strengths of its own: they are multiplied into the small matrix beforehand
 * rather than into the layer's many points. `branchSites` and `branchFeeds` tell what to feed.
 */
export function attachBranches(reach: Reach): Adapter {
  return (site, x, y) => (isWithin(reach, site.path) ? add(y, branch(site, x, y)) : y)
}

/** A layer with a branch. Its inputs are `path.lora_down` and `path.lora_up`. */
export interface BranchSite {
  readonly path: string
  /** Linear layers take D as [in, rank] and U as [batch, rank, out]; convolutions [rank, in, …] and [batch, out, rank]. */
  readonly kind: LayerSite['kind']
  /** The numbers among D's dimensions. */
  readonly ins: readonly number[]
  readonly out: number
}

const [downSuffix, upSuffix] = ['.lora_down', '.lora_up']

function branch(site: LayerSite, x: Value, y: Value): Value {
  const { graph } = y
  const { path, kind, weightShape } = site
  const rank = symbol(`rank of ${path}`)
  const batch = y.shape[0]!
  const [out, channels, kernel] = weightShape as readonly [number, number, number?]
  if (kind === 'linear') {
    const down = graph.input(path + downSuffix, [channels, rank])
    const up = graph.input(path + upSuffix, [batch, rank, out])
    const tokens = x.shape.length === 2 ? reshape(x, [batch, 1, channels]) : x
    return reshape(matmul(matmul(tokens, down), up), y.shape)
  }
  const isPoint = kernel === 1 && site.stride === 1
  const down = graph.input(path + downSuffix, isPoint ? [rank, channels] : [rank, ...weightShape.slice(1)])
  const up = graph.input(path + upSuffix, [batch, out, rank])
  const points = mulDims(...y.shape.slice(2))
  // A kernel of one point is a matrix product, which needs no convolution.
  const low = isPoint
    ? matmul(down, reshape(x, [batch, channels, points]))
    : reshape(convolved(site, x, down), [batch, rank, points])
  return reshape(matmul(up, low), y.shape)
}

function convolved({ stride, padding }: LayerSite, x: Value, down: Value): Value {
  return conv(x, down, null, { stride, pads: [padding, padding, padding, padding], groups: 1 })
}

function isWithin(reach: Reach, path: string): boolean {
  return reach === 'all' || !isOfUnet(path) || /\.(transformer_blocks|proj_in|proj_out)\b/.test(path)
}

function isOfUnet(path: string): boolean {
  return path.startsWith('model.diffusion_model.')
}

/** The branches of a graph, found by the names of its inputs. */
export function branchSites(graph: Graph): readonly BranchSite[] {
  const inputs = new Map(graph.inputs.map(({ source, shape }) => [source.kind === 'input' ? source.name : '', shape]))
  return [...inputs].flatMap(([name, shape]): BranchSite[] => {
    if (!name.endsWith(downSuffix)) return []
    const path = name.slice(0, -downSuffix.length)
    const kind = typeof shape[0] === 'number' ? 'linear' : 'conv'
    const [out] = numbers(inputs.get(path + upSuffix)!)
    return [{ path, kind, ins: numbers(shape), out: out! }]
  })
}

function numbers(shape: Value['shape']): readonly number[] {
  return shape.filter((dim) => typeof dim === 'number')
}

/**
 * What a graph's branches are fed for one plan and batch; it holds as long as these two do. Several networks on a
 * layer lie side by side along the rank. Layers without a network get one rank of zeros.
 */
export function branchFeeds(
  { branches }: NetworkPlan,
  sites: readonly BranchSite[],
  batch: number,
): Record<string, Feed> {
  const feeds: Record<string, Feed> = {}
  for (const site of sites) {
    const { down, up } = stacked(branches.get(site.path) ?? [], site, batch)
    feeds[site.path + downSuffix] = down
    feeds[site.path + upSuffix] = up
  }
  // The text encoder's last layers may be skipped, and branches with them; the UNet runs whole.
  const missing =
    sites.some(({ path }) => isOfUnet(path)) &&
    [...branches.keys()].find((path) => isOfUnet(path) && !(path + downSuffix in feeds))
  if (missing) throw new Error(`internal: the graph has no branch at ${missing}`)
  return feeds
}

/** The branches of one layer as one, in the layout of its kind. */
function stacked(branches: readonly Branch[], { kind, ins, out }: BranchSite, batch: number): { down: Feed; up: Feed } {
  const columns = sizeOf(ins)
  const rank = Math.max(
    1,
    branches.reduce((sum, { adapter }) => sum + adapter.up.shape[1], 0),
  )
  const down = new Float32Array(rank * columns)
  const up = new Float32Array(batch * out * rank)
  let from = 0
  for (const { adapter, strength } of branches) {
    const own = adapter.up.shape[1]
    const scales = Array.from({ length: batch }, (_, row) => strengthOf(strength, row, batch) * adapter.scale)
    if (kind === 'linear') {
      transposeInto(down, adapter.down.data, { rows: own, columns, stride: rank, from })
      scales.forEach((scale, row) => {
        const ranks = up.subarray((row * rank + from) * out, (row * rank + from + own) * out)
        transposeInto(ranks, adapter.up.data, { rows: out, columns: own, stride: out, from: 0 }, scale)
      })
    } else {
      down.set(adapter.down.data, from * columns)
      scales.forEach((scale, row) => {
        const base = row * out * rank + from
        for (let i = 0; i < out; i++) {
          for (let r = 0; r < own; r++) up[base + i * rank + r] = scale * adapter.up.data[i * own + r]!
        }
      })
    }
    from += own
  }
  return kind === 'linear'
    ? { down: { shape: [...ins, rank], data: down }, up: { shape: [batch, rank, out], data: up } }
    : { down: { shape: [rank, ...ins], data: down }, up: { shape: [batch, out, rank], data: up } }
}

/** scale · xᵀ of a matrix x [rows, columns] into rows of length `stride`, from column `from` on. */
function transposeInto(
  to: Float32Array,
  x: Float32Array,
  { rows, columns, stride, from }: { rows: number; columns: number; stride: number; from: number },
  scale = 1,
): void {
  for (let column = 0; column < columns; column++) {
    for (let row = 0, at = column * stride + from; row < rows; row++) to[at++] = scale * x[row * columns + column]!
  }
}

function strengthOf(strength: Strength, row: number, batch: number): number {
  if (typeof strength === 'number') return strength
  if (strength.length !== batch) throw new Error(`internal: ${strength.length} strengths for a batch of ${batch}`)
  return strength[row]!
}
