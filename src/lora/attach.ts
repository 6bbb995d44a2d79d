import { symbol } from '../graph/dim.ts'
import { add, conv, matmul, mul, reshape, transpose } from '../graph/ops.ts'
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
 * Puts a low-rank branch beside each layer in reach: y + (x·D)·s·U, all three inputs of the graph. The strengths s are
 * numbers of every row of the batch and every rank, so that rows and networks have their own: they are multiplied into
 * the few low-rank numbers of a point. `branchSites` and `branchFeeds` tell what to feed.
 */
export function attachBranches(reach: Reach): Adapter {
  return (site, x, y) => (isWithin(reach, site.path) ? add(y, branch(site, x, y)) : y)
}

/**
 * A layer with a branch. Its inputs are `path.lora_down` […ins, rank], `path.lora_strength` [batch, rank] and
 * `path.lora_up` [rank, out].
 */
export interface BranchSite {
  readonly path: string
  /** Input features, and a convolution's kernel. */
  readonly ins: readonly number[]
  readonly out: number
}

/** Ranks of a convolution come in as many as a block has channels in which the runtime convolves fastest. */
const ranksOfKernel = 16

const [downSuffix, strengthSuffix, upSuffix] = ['.lora_down', '.lora_strength', '.lora_up']

function branch({ path, kind, weightShape, stride, padding }: LayerSite, x: Value, y: Value): Value {
  const { graph } = y
  const batch = y.shape[0]!
  const [out, channels] = weightShape as readonly [number, number]
  const isLinear = kind === 'linear'
  const rank = symbol(`rank of ${path}`, isLinear ? 1 : ranksOfKernel)
  const down = graph.input(path + downSuffix, [...weightShape.slice(1), rank])
  const strength = graph.input(path + strengthSuffix, [batch, rank])
  const up = graph.input(path + upSuffix, [rank, out])

  if (isLinear) {
    const tokens = x.shape.length === 2 ? reshape(x, [batch, 1, channels]) : x
    const low = mul(matmul(tokens, down), reshape(strength, [batch, 1, rank]))
    return reshape(matmul(low, up), y.shape)
  }
  const pads = [padding, padding, padding, padding] as const
  const low = conv(x, transpose(down, [3, 0, 1, 2]), null, { stride, pads, groups: 1 })
  const scaled = mul(low, reshape(strength, [batch, rank, 1, 1]))
  const points = reshape(transpose(up, [1, 0]), [out, rank, 1, 1])
  return conv(scaled, points, null, { stride: 1, pads: [0, 0, 0, 0], groups: 1 })
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
    return [{ path, ins: shape.slice(0, -1).map(Number), out: Number(inputs.get(path + upSuffix)![1]) }]
  })
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
    const { down, strength, up } = stacked(branches.get(site.path) ?? [], site, batch)
    feeds[site.path + downSuffix] = down
    feeds[site.path + strengthSuffix] = strength
    feeds[site.path + upSuffix] = up
  }
  // The text encoder's last layers may be skipped, and branches with them; the UNet runs whole.
  const isUnet = sites.some(({ path }) => isOfUnet(path))
  const missing = isUnet && [...branches.keys()].find((path) => isOfUnet(path) && !(path + downSuffix in feeds))
  if (missing) throw new Error(`internal: the graph has no branch at ${missing}`)
  return feeds
}

/** The branches of one layer as one. */
function stacked(branches: readonly Branch[], { ins, out }: BranchSite, batch: number) {
  const columns = sizeOf(ins)
  const needed = branches.reduce((sum, { adapter }) => sum + adapter.up.shape[0], 0)
  const multiple = ins.length === 1 ? 1 : ranksOfKernel
  const rank = Math.max(1, Math.ceil(needed / multiple)) * multiple

  // One network's numbers are fed as they are.
  const [only] = branches
  const whole = branches.length === 1 && only!.adapter.up.shape[0] === rank ? only!.adapter : undefined
  const down = whole?.down.data ?? new Float32Array(columns * rank)
  const up = whole?.up.data ?? new Float32Array(rank * out)
  const strengths = new Float32Array(batch * rank)
  let from = 0
  for (const { adapter, strength } of branches) {
    const own = adapter.up.shape[0]
    for (let i = 0; !whole && i < columns; i++) {
      down.set(adapter.down.data.subarray(i * own, (i + 1) * own), i * rank + from)
    }
    if (!whole) up.set(adapter.up.data, from * out)
    for (let row = 0; row < batch; row++) {
      const start = row * rank + from
      strengths.fill(strengthOf(strength, row, batch) * adapter.scale, start, start + own)
    }
    from += own
  }
  return {
    down: { shape: [...ins, rank], data: down },
    strength: { shape: [batch, rank], data: strengths },
    up: { shape: [rank, out], data: up },
  }
}

function strengthOf(strength: Strength, row: number, batch: number): number {
  if (typeof strength === 'number') return strength
  if (strength.length !== batch) throw new Error(`internal: ${strength.length} strengths for a batch of ${batch}`)
  return strength[row]!
}
