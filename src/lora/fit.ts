import { StudioError } from '../errors.ts'
import { readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import type { LayerAdapter } from './adapter.ts'
import {
  families,
  hasFittingMagnitude,
  type LayerShape,
  largestBlock,
  layerShape,
  type ModuleTensors,
} from './families.ts'
import type { Part } from './keys.ts'
import { layerNames } from './layerNames.ts'
import { asMatrix, type Matrix, transposed } from './matrix.ts'
import type { Network, NetworkModule } from './network.ts'

/** A network whose numbers have been read and brought to the layers of one model. */
export interface FittedNetwork {
  readonly network: Network
  /** By the checkpoint's path of the layer, without `.weight`. */
  readonly layers: ReadonlyMap<string, LayerAdapter>
  /** Modules for layers which the model does not have, or which another module has adapted; they have no effect. */
  readonly unmatched: readonly NetworkModule[]
}

/**
 * Reads a network for a model, whose weights go by CompVis names. A file of another architecture, most of whose
 * modules find no layer or a layer of another shape, is an error that counts them.
 */
export function fitNetwork(network: Network, weights: ReadonlyMap<string, WeightEntry>): FittedNetwork {
  const names = layerNames(weights.keys())
  const matched: { module: NetworkModule; path: string; layer: LayerShape }[] = []
  const unmatched: NetworkModule[] = []
  const taken = new Set<string>()
  for (const module of network.modules) {
    const path = names.get(`${module.target}_${module.layer}`)
    const weight = path === undefined ? undefined : weights.get(`${path}.weight`)
    // A layer may be spelled in two ways within one file; the first counts.
    if (path === undefined || !weight || taken.has(path)) {
      unmatched.push(module)
      continue
    }
    taken.add(path)
    matched.push({ module, path, layer: layerShape(weight.shape) })
  }

  const { modules, path: file } = network
  const misfits = matched.filter(({ module, layer }) => !fits(module, layer))
  const [misfit] = misfits
  if (misfit || (modules.length > 0 && unmatched.length > modules.length / 2)) {
    const wanted = misfit
      ? `${misfit.module.layer} is ${shapesText(misfit.module)}, the model's layer is [${weights.get(`${misfit.path}.weight`)!.shape.join(', ')}]`
      : `the model has no layer ${unmatched[0]!.layer}`
    throw new StudioError(
      'wrong-architecture',
      `${file}: made for ${baseOf(network)}, not for this model: of ${modules.length} adapted layers ` +
        `${unmatched.length} are unknown and ${misfits.length} have another shape; ${wanted}`,
      { field: network.name },
    )
  }

  const layers = new Map<string, LayerAdapter>()
  for (const { module, path, layer } of matched) {
    const tensors = tensorsOf(network, module)
    const adapter = families[module.family].read(tensors, narrowed(module, layer))
    const isEmpty = adapter.family === 'lora' && adapter.up.shape[0] === 0
    if (!isEmpty) layers.set(path, widened(adapter, layer))
  }
  return { network, layers, unmatched }
}

/** The model a network says or shows it was made for. */
function baseOf({ metadata, modules }: Network): string {
  const stated = metadata.get('ss_base_model_version') ?? metadata.get('modelspec.architecture')
  if (stated !== undefined && stated !== 'None') return stated
  if (modules.some(({ target }) => target === 'text2')) return 'SDXL'
  if (modules.some(({ target }) => target === 'other')) return 'a transformer model (SD 3, Flux or their kin)'
  const context = modules.find(({ layer }) => layer.endsWith('attn2_to_k'))?.tensors.get('lora_down')?.shape[1]
  const known: Readonly<Record<number, string>> = { 768: 'SD 1', 1024: 'SD 2', 2048: 'SDXL' }
  return (context !== undefined && known[context]) || 'an unknown model'
}

function fits(module: NetworkModule, layer: LayerShape): boolean {
  const tensors = shapesOf(module)
  const seen = narrowed(module, layer)
  return families[module.family].fits(tensors, seen) && hasFittingMagnitude(tensors, seen)
}

/** The 9 input channels of an inpainting model begin with the 4 that networks of other models know. */
const [inpaintingInputs, plainInputs] = [9, 4]
const widenable: readonly string[] = ['lora', 'loha', 'full']

/** The layer as the network sees it: without the channels that only inpainting models have. */
function narrowed(module: NetworkModule, layer: LayerShape): LayerShape {
  if (layer.inputs !== inpaintingInputs || !widenable.includes(module.family)) return layer
  const plain = { ...layer, inputs: plainInputs }
  return families[module.family].fits(shapesOf(module), plain) ? plain : layer
}

/** The adapter with columns of zeros where the layer has channels that it does not know. */
function widened(adapter: LayerAdapter, { inputs, points }: LayerShape): LayerAdapter {
  if (inputs !== inpaintingInputs) return adapter
  const wide = (x: Matrix): Matrix => withColumns(x, inputs * points)
  switch (adapter.family) {
    case 'lora':
      return { ...adapter, down: transposed(wide(transposed(adapter.down))) }
    case 'loha':
      return { ...adapter, b1: wide(adapter.b1), b2: wide(adapter.b2) }
    case 'full':
      return adapter.weight ? { ...adapter, weight: wide(adapter.weight) } : adapter
    default:
      return adapter
  }
}

function withColumns(x: Matrix, columns: number): Matrix {
  const [rows, known] = x.shape
  if (known === columns) return x
  const data = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) data.set(x.data.subarray(row * known, (row + 1) * known), row * columns)
  return { shape: [rows, columns], data }
}

/** Shapes only, for checking before anything is read. */
function shapesOf({ tensors }: NetworkModule): ModuleTensors {
  const unread = (part: Part): never => {
    throw new Error(`internal: ${part} is asked for while shapes are checked`)
  }
  return { shape: (part) => tensors.get(part)?.shape, matrix: unread, scalar: unread }
}

function tensorsOf({ path }: Network, module: NetworkModule): ModuleTensors {
  const { tensors, alpha, layer } = module
  const block = tensors.get('oft_blocks')?.shape.at(-1)
  if (block !== undefined && block > largestBlock) {
    throw new StudioError(
      'too-large',
      `${path}: ${layer} has rotations of ${block} rows, at most ${largestBlock} are read`,
    )
  }
  const read = (entry: WeightEntry) => {
    const tensor = readWeight(entry)
    const bad = firstNonFinite(tensor.data)
    if (bad !== undefined) {
      throw new StudioError(
        'not-a-number',
        `${path}: ${entry.name} holds ${tensor.data[bad]} at ${bad}, expected numbers`,
        { field: entry.name },
      )
    }
    return tensor
  }
  return {
    shape: (part) => tensors.get(part)?.shape,
    matrix: (part, rows) => {
      const entry = tensors.get(part)
      if (!entry) throw new Error(`internal: ${part} of ${layer} is absent`)
      return asMatrix(read(entry), rows)
    },
    scalar: (part) => {
      const entry = tensors.get(part)
      if (!entry) return part === 'alpha' ? alpha : undefined
      const { data } = read(entry)
      if (data.length !== 1) {
        throw new StudioError('bad-file', `${path}: ${entry.name} holds ${data.length} numbers, expected one`, {
          field: entry.name,
        })
      }
      return data[0]!
    },
  }
}

/** A plain loop: all of a network's numbers pass here while a person waits. */
function firstNonFinite(data: Float32Array): number | undefined {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i
  return undefined
}

function shapesText({ tensors }: NetworkModule): string {
  return [...tensors].map(([part, { shape }]) => `${part} [${shape.join(', ')}]`).join(', ')
}
