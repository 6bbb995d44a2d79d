import { StudioError } from '../../errors.ts'
import { sizeOf } from '../../tensor/shape.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { type Distribution, drawn, numbersOf } from '../initialise.ts'
import { factorization } from './factorization.ts'
import type { TargetLayer } from './modules.ts'

/** What is trained beside a model: LoRA (with kernels: LoCon), or LyCORIS' Hadamard and Kronecker products. */
export type NetworkFamily = 'lora' | 'loha' | 'lokr'

export interface NetworkOptions {
  readonly family: NetworkFamily
  readonly dim: number
  readonly alpha: number
  /** For convolutions with a kernel; undefined leaves everything outside the transformers alone. */
  readonly conv: { readonly dim: number; readonly alpha: number } | undefined
  /** Whether the UNet's first and last layers take part. */
  readonly hasEnds: boolean
  /** Rank and alpha by the UNet's block, in place of the above; a rank of 0 leaves the block out. */
  readonly blocks: BlockRanks | undefined
  readonly convBlocks: BlockRanks | undefined
  /** Which blocks of the UNet have a learning rate of 0 and therefore no modules at all. */
  readonly frozenBlocks: ReadonlySet<number>
  readonly hasText: boolean
  readonly hasUnet: boolean
  /** DoRA (Liu et al. 2024): the rows of W + ΔW get lengths of their own. */
  readonly isDora: boolean
  /** α is divided by √rank instead of the rank (Kalajdzievski 2023). */
  readonly isRankStabilized: boolean
  /** LoKr's factor; −1 for the two nearest to a square. */
  readonly factor: number
}

/** A rank and an alpha for each of the UNet's blocks. */
export interface BlockRanks {
  readonly dims: readonly number[]
  readonly alphas: readonly number[]
}

/** The adapter of one layer that is trained. */
export interface TrainedModule {
  readonly layer: TargetLayer
  readonly family: NetworkFamily
  readonly isDora: boolean
  readonly rank: number
  readonly alpha: number
  /** What ΔW is multiplied with: α/rank. */
  readonly scale: number
  readonly parts: readonly ModulePart[]
}

/** A tensor of an adapter, named `<layer>.<part>` as in the file. */
export interface ModulePart {
  readonly name: string
  readonly shape: readonly number[]
  readonly start: Distribution | 'row lengths'
}

/** The modules a network has on these layers, in their order. */
export function networkModules(layers: readonly TargetLayer[], options: NetworkOptions): readonly TrainedModule[] {
  const modules = layers.flatMap((layer) => {
    const rank = rankOf(layer, options)
    return rank ? [moduleOf(layer, rank, options)] : []
  })
  if (modules.length === 0) {
    throw new StudioError('bad-request', 'network_args: every layer is left out, expected a network with some', {
      field: 'network_args',
    })
  }
  return modules
}

interface Rank {
  readonly dim: number
  readonly alpha: number
}

function rankOf({ model, place, block, shape }: TargetLayer, options: NetworkOptions): Rank | undefined {
  if (model === 'text') return options.hasText ? positive(options) : undefined
  if (!options.hasUnet || (place === 'end' && !options.hasEnds)) return undefined
  if (block !== undefined && options.frozenBlocks.has(block)) return undefined
  const hasKernel = sizeOf(shape.slice(2)) > 1
  const { conv, convBlocks, blocks } = options
  if (place === 'residual' && !conv && !convBlocks) return undefined
  if (!hasKernel) return positive(atBlock(blocks, block) ?? options)
  return positive(atBlock(convBlocks, block) ?? conv)
}

function atBlock(ranks: BlockRanks | undefined, block: number | undefined): Rank | undefined {
  return ranks && block !== undefined ? { dim: ranks.dims[block]!, alpha: ranks.alphas[block]! } : undefined
}

/** A rank of 0 is none; an alpha of 0 stands for the rank. */
function positive(rank: Rank | undefined): Rank | undefined {
  return rank && rank.dim > 0 ? { dim: rank.dim, alpha: rank.alpha === 0 ? rank.dim : rank.alpha } : undefined
}

function moduleOf(layer: TargetLayer, { dim, alpha }: Rank, options: NetworkOptions): TrainedModule {
  const { family, isDora, isRankStabilized } = options
  const parts = { lora: loraParts, loha: lohaParts, lokr: lokrParts }[family](layer.shape, dim, options.factor)
  const isWhole = family === 'lokr' && parts.every(({ name }) => !name.endsWith('_a'))
  const out = layer.shape[0]!
  const magnitude: ModulePart = {
    name: 'dora_scale',
    shape: [out, ...layer.shape.slice(1).map(() => 1)],
    start: 'row lengths',
  }
  return {
    layer,
    family,
    isDora,
    rank: dim,
    // A Kronecker product of two whole matrices has no rank to divide by.
    alpha: isWhole ? dim : alpha,
    scale: isWhole ? 1 : alpha / (isRankStabilized ? Math.sqrt(dim) : dim),
    parts: isDora ? [...parts, magnitude] : parts,
  }
}

/** The uniform distribution PyTorch gives a layer with so many inputs. */
const asLayer = (fanIn: number): Distribution => ({ bound: 1 / Math.sqrt(fanIn) })
const zero: Distribution = { constant: 0 }

function loraParts([out, inputs, ...kernel]: readonly number[], rank: number): readonly ModulePart[] {
  const downShape = [rank, inputs!, ...kernel]
  return [
    { name: 'lora_down.weight', shape: downShape, start: asLayer(sizeOf(downShape.slice(1))) },
    { name: 'lora_up.weight', shape: [out!, rank, ...kernel.map(() => 1)], start: zero },
  ]
}

function lohaParts([out, ...inputs]: readonly number[], rank: number): readonly ModulePart[] {
  const columns = sizeOf(inputs)
  return [
    { name: 'hada_w1_a', shape: [out!, rank], start: { deviation: 0.1 } },
    { name: 'hada_w1_b', shape: [rank, columns], start: { deviation: 1 } },
    { name: 'hada_w2_a', shape: [out!, rank], start: zero },
    { name: 'hada_w2_b', shape: [rank, columns], start: { deviation: 1 } },
  ]
}

function lokrParts([out, inputs, ...kernel]: readonly number[], rank: number, factor: number): readonly ModulePart[] {
  const [out1, out2] = factorization(out!, factor)
  const [in1, in2] = factorization(inputs!, factor)
  const first: ModulePart = { name: 'lokr_w1', shape: [out1, in1], start: asLayer(in1) }
  const columns = in2 * sizeOf(kernel)
  if (rank >= Math.max(out2, in2) / 2) {
    return [first, { name: 'lokr_w2', shape: [out2, in2, ...kernel], start: zero }]
  }
  return [
    first,
    { name: 'lokr_w2_a', shape: [out2, rank], start: zero },
    { name: 'lokr_w2_b', shape: [rank, columns], start: asLayer(columns) },
  ]
}

/** The name of a part's tensor in the file. */
export function tensorName({ layer }: TrainedModule, part: ModulePart): string {
  return `${layer.name}.${part.name}`
}

/**
 * A network at its beginning, where it changes nothing. Each tensor is drawn from a stream of its own name and the
 * seed. `weightOf` reads the layer's own weight, whose lengths DoRA begins with.
 */
export function initialNetwork(
  modules: readonly TrainedModule[],
  seed: number,
  weightOf: (path: string) => Tensor,
): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>()
  for (const module of modules) {
    for (const part of module.parts) {
      const name = tensorName(module, part)
      const data =
        part.start === 'row lengths'
          ? rowLengths(weightOf(module.layer.path))
          : drawn(sizeOf(part.shape), part.start, numbersOf(name, seed))
      tensors.set(name, { shape: part.shape, data })
    }
  }
  return tensors
}

function rowLengths({ shape, data }: Tensor): Float32Array {
  const columns = sizeOf(shape.slice(1))
  return Float32Array.from({ length: shape[0]! }, (_, row) =>
    Math.hypot(...data.subarray(row * columns, (row + 1) * columns)),
  )
}
