import { StudioError } from '../errors.ts'
import type { LayerAdapter, LowRank } from './adapter.ts'
import { type BlockWeights, blockOf } from './blockWeights.ts'
import type { FittedNetwork } from './fit.ts'

/** A network as a prompt asks for it, fitted to the model. */
export interface NetworkUse {
  readonly network: FittedNetwork
  /** Strength on the text encoder. */
  readonly text: Strength
  /** Strength on the UNet. */
  readonly unet: Strength
  /** Low-rank layers keep their first `dyn` ranks; undefined keeps all. */
  readonly dyn?: number
  /** Strength of each block of the UNet, and of the text encoder, times the above. */
  readonly blocks?: BlockWeights
}

/** One number for the whole batch, or one for each of its pictures. */
export type Strength = number | readonly number[]

/** What the networks of a prompt come to, layer by layer. Paths are the checkpoint's, without `.weight`. */
export interface NetworkPlan {
  /** Changes of weights, in the order they are made. */
  readonly merges: ReadonlyMap<string, readonly Merge[]>
  /** Low-rank sums beside layers, fed to the graph. */
  readonly branches: ReadonlyMap<string, readonly Branch[]>
}

export interface Merge {
  readonly adapter: LayerAdapter
  readonly strength: number
}

export interface Branch {
  readonly adapter: LowRank
  readonly strength: Strength
}

/**
 * Decides what runs beside a layer and what goes into its weight. Low-rank networks run beside it, where a switch
 * only exchanges inputs and every row of a batch may have its own strength. The rest is merged; and where a
 * network's ΔW depends on W, so is every network before it, since the prompt's order decides what W is.
 */
export function planNetworks(uses: readonly NetworkUse[]): NetworkPlan {
  const ordered = new Map<string, { adapter: LayerAdapter; strength: Strength }[]>()
  for (const use of uses) {
    for (const [path, adapter] of use.network.layers) {
      const strength = strengthAt(path, use)
      if ([strength].flat().every((s) => s === 0)) continue
      const chain = ordered.get(path) ?? []
      chain.push({ adapter: truncated(adapter, use.dyn), strength })
      ordered.set(path, chain)
    }
  }

  const merges = new Map<string, Merge[]>()
  const branches = new Map<string, Branch[]>()
  for (const [path, chain] of ordered) {
    const lastReader = chain.findLastIndex(({ adapter }) => readsWeight(adapter))
    chain.forEach(({ adapter, strength }, index) => {
      if (index > lastReader && adapter.family === 'lora' && !isTable(path)) {
        branches.set(path, [...(branches.get(path) ?? []), { adapter, strength }])
      } else {
        merges.set(path, [...(merges.get(path) ?? []), { adapter, strength: single(strength, path) }])
      }
    })
  }
  return { merges, branches }
}

/** Whether the pictures of a batch have branches at strengths of their own. */
export function isVaried({ branches }: NetworkPlan): boolean {
  return [...branches.values()].flat().some(({ strength }) => typeof strength !== 'number')
}

/** The plan as it is for one picture of the batch. */
export function planOfPicture({ merges, branches }: NetworkPlan, picture: number): NetworkPlan {
  const own = (strength: Strength) => (typeof strength === 'number' ? strength : (strength[picture] ?? 0))
  const picked = [...branches].map(
    ([path, chain]) => [path, chain.map((each) => ({ ...each, strength: own(each.strength) }))] as const,
  )
  return { merges, branches: new Map(picked) }
}

function strengthAt(path: string, { text, unet, blocks }: NetworkUse): Strength {
  const strength = path.startsWith('model.diffusion_model.') ? unet : text
  if (!blocks) return strength
  const factor = blocks.get(blockOf(path)) ?? 0
  return typeof strength === 'number' ? strength * factor : strength.map((s) => s * factor)
}

/** Whether ΔW depends on the weight it is added to. */
function readsWeight(adapter: LayerAdapter): boolean {
  return ['ia3', 'oft', 'boft', 'glora'].includes(adapter.family) || ('magnitude' in adapter && !!adapter.magnitude)
}

/** Tables are looked up, not multiplied with: nothing can run beside them. */
function isTable(path: string): boolean {
  return path.endsWith('_embedding')
}

/** The adapter with its first `dyn` ranks; alpha is still divided by the rank of the file. */
function truncated(adapter: LayerAdapter, dyn: number | undefined): LayerAdapter {
  if (dyn === undefined || dyn <= 0 || adapter.family !== 'lora') return adapter
  const [rank, out] = adapter.up.shape
  const [columns] = adapter.down.shape
  if (dyn >= rank) return adapter
  const down = new Float32Array(columns * dyn)
  for (let i = 0; i < columns; i++) down.set(adapter.down.data.subarray(i * rank, i * rank + dyn), i * dyn)
  return {
    ...adapter,
    down: { shape: [columns, dyn], data: down },
    up: { shape: [dyn, out], data: adapter.up.data.subarray(0, dyn * out) },
  }
}

function single(strength: Strength, path: string): number {
  const [first, ...rest] = [strength].flat()
  if (first === undefined || rest.some((s) => s !== first)) {
    throw new StudioError(
      'unsupported',
      `${path}: strengths ${[strength].flat().join(', ')} within one batch; only plain LoRA and LoCon can have several`,
    )
  }
  return first
}
