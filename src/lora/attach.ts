import { mulDims, symbol } from '../graph/dim.ts'
import { add, conv, matmul, reshape, transpose } from '../graph/ops.ts'
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
 * Puts a low-rank branch beside each layer in reach: y + x·D·U, both matrices inputs of the graph. U has a dimension
 * for the batch, so that every row has strengths of its own: they are multiplied into the small matrix beforehand
 * rather than into the layer's many points. `branchSites` and `branchFeeds` tell what to feed.
 */
export function attachBranches(reach: Reach): Adapter {
  return (site, x, y) => (isWithin(reach, site.path) ? add(y, branch(site, x, y)) : y)
}

/** A layer with a branch. Its inputs are `path.lora_down` […ins, rank] and `path.lora_up` [batch, rank, out]. */
export interface BranchSite {
  readonly path: string
  /** Input features, and a kernel of more than one point. */
  readonly ins: readonly number[]
  readonly out: number
}

/** Ranks of a convolution come in as many as a block has channels in which the runtime convolves fastest. */
const ranksOfKernel = 16

const [downSuffix, upSuffix] = ['.lora_down', '.lora_up']

function branch(site: LayerSite, x: Value, y: Value): Value {
  const { graph } = y
  const { path, kind, weightShape } = site
  const batch = y.shape[0]!
  const [out, channels, kernel] = weightShape as readonly [number, number, number?]
  const isPoint = kind === 'linear' || (kernel === 1 && site.stride === 1)
  const rank = symbol(`rank of ${path}`, isPoint ? 1 : ranksOfKernel)
  const down = graph.input(path + downSuffix, [...weightShape.slice(1, isPoint ? 2 : 4), rank])
  const up = graph.input(path + upSuffix, [batch, rank, out])

  if (kind === 'linear') {
    const tokens = x.shape.length === 2 ? reshape(x, [batch, 1, channels]) : x
    return reshape(matmul(matmul(tokens, down), up), y.shape)
  }
  const points = mulDims(...y.shape.slice(2))
  // A kernel of one point is a matrix product, which needs no convolution.
  const low = isPoint
    ? matmul(transpose(down, [1, 0]), reshape(x, [batch, channels, points]))
    : reshape(convolved(site, x, transpose(down, [3, 0, 1, 2])), [batch, rank, points])
  return reshape(matmul(transpose(up, [0, 2, 1]), low), y.shape)
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
    const [out] = numbers(inputs.get(path + upSuffix)!)
    return [{ path, ins: numbers(shape), out: out! }]
  })
}

function numbers(shape: Value['shape']): readonly number[] {
  return shape.filter((dim) => typeof dim === 'number')
}

/**
 * What a graph's branches are fed for one plan and batch; it holds as long as these two do. Several networks on a
 * layer lie side by side along the rank. Ranks that nothing fills are zeros: the least that a layer without a network gets.
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
  const isUnet = sites.some(({ path }) => isOfUnet(path))
  const missing = isUnet && [...branches.keys()].find((path) => isOfUnet(path) && !(path + downSuffix in feeds))
  if (missing) throw new Error(`internal: the graph has no branch at ${missing}`)
  return feeds
}

/** The branches of one layer as one. */
function stacked(branches: readonly Branch[], { ins, out }: BranchSite, batch: number): { down: Feed; up: Feed } {
  const columns = sizeOf(ins)
  const needed = branches.reduce((sum, { adapter }) => sum + adapter.up.shape[0], 0)
  const multiple = ins.length === 1 ? 1 : ranksOfKernel
  const rank = Math.max(1, Math.ceil(needed / multiple)) * multiple

  const [only] = branches
  const isWhole = branches.length === 1 && only!.adapter.up.shape[0] === rank
  const down = isWhole ? only!.adapter.down.data : new Float32Array(columns * rank)
  const up = new Float32Array(batch * rank * out)
  let from = 0
  for (const { adapter, strength } of branches) {
    const own = adapter.up.shape[0]
    for (let i = 0; !isWhole && i < columns; i++) {
      down.set(adapter.down.data.subarray(i * own, (i + 1) * own), i * rank + from)
    }
    for (let row = 0; row < batch; row++) {
      const start = (row * rank + from) * out
      // Rows of one strength are copies, which are cheaper than products.
      if (row > 0 && typeof strength === 'number') {
        up.copyWithin(start, from * out, (from + own) * out)
      } else {
        scaleInto(up, adapter.up.data, strengthOf(strength, row, batch) * adapter.scale, start)
      }
    }
    from += own
  }
  return { down: { shape: [...ins, rank], data: down }, up: { shape: [batch, rank, out], data: up } }
}

function scaleInto(to: Float32Array, x: Float32Array, scale: number, start: number): void {
  for (let i = 0; i < x.length; i++) to[start + i] = scale * x[i]!
}

function strengthOf(strength: Strength, row: number, batch: number): number {
  if (typeof strength === 'number') return strength
  if (strength.length !== batch) throw new Error(`internal: ${strength.length} strengths for a batch of ${batch}`)
  return strength[row]!
}
