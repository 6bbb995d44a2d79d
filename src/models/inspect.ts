import { StudioError } from '../errors.ts'
import type { Sidecars } from '../files/sidecars.ts'
import type { PlainValue, WeightEntry, WeightFile } from '../files/weights.ts'
import { sizeOf } from '../tensor/shape.ts'
import { classify, type FileKind } from './classify.ts'
import { nativeSizeIn } from './configInMetadata.ts'
import type { ModelConfig, VaeConfig } from './configs.ts'
import { type DetectedModel, detectModel, detectVae } from './detect.ts'
import { modelLayout } from './layout.ts'
import { type NetworkSummary, networkWarnings, summarizeNetwork } from './summarizeNetwork.ts'

/** How many tensors, and of how many numbers and bytes. */
interface Amount {
  readonly tensors: number
  readonly parameters: number
  readonly sizeBytes: number
}

/** What a file of weights is, for a person to read. Only its header has been looked at. */
export interface Inspection {
  readonly format: WeightFile['format']
  readonly kind: FileKind
  /** In words: `Stable Diffusion 1.x, inpainting`, `a LoRA or a network of its family`. */
  readonly architecture: string
  readonly total: Amount
  /** By element type; those that cannot be read are counted in tensors and parameters alone. */
  readonly types: ReadonlyMap<string, Amount>
  /** By the first parts of the tensors' names, the largest first. */
  readonly groups: ReadonlyMap<string, Amount>
  readonly metadata: ReadonlyMap<string, string>
  readonly checkpoint?: ModelConfig
  /** Side of the pictures a checkpoint was trained on, where it says so. */
  readonly nativeSize?: number
  readonly vae?: VaeConfig
  readonly embedding?: EmbeddingSummary
  readonly network?: NetworkSummary
  readonly warnings: readonly string[]
}

interface EmbeddingSummary {
  /** The name in the file; prompts use the file's own. */
  readonly name: string | undefined
  readonly vectors: number
  readonly width: number
  /** The text encoder of that width. */
  readonly fits: string
  readonly step: number | undefined
  /** The checkpoint it was learnt on. */
  readonly checkpoint: string | undefined
}

/** Reports on any file of weights. A file that could not be used gets its reason as a warning instead of an error. */
export function inspectWeights(file: WeightFile, sidecars: Sidecars = {}): Inspection {
  const { kind, description } = classify(file)
  const report = {
    format: file.format,
    kind,
    architecture: description,
    ...amounts(file),
    metadata: file.metadata,
  }
  const warnings = generalWarnings(file)
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof StudioError)) throw error
      warnings.push(error.message)
      return undefined
    }
  }

  if (kind === 'checkpoint') {
    const model = attempt(() => detectModel(file, sidecars))
    if (!model) return { ...report, warnings }
    warnings.push(...checkpointWarnings(model))
    const nativeSize = nativeSizeIn(file)
    return {
      ...report,
      architecture: modelName(model.config),
      checkpoint: model.config,
      ...(nativeSize !== undefined && { nativeSize }),
      warnings,
    }
  }
  if (kind === 'vae') {
    const found = attempt(() => detectVae(file))
    return { ...report, ...(found && { vae: found.config }), warnings }
  }
  if (kind === 'embedding') {
    const embedding = summarizeEmbedding(file)
    if (!embedding) warnings.push('it has no vectors of two dimensions')
    return { ...report, ...(embedding && { embedding }), warnings }
  }
  if (kind === 'lora') {
    const network = summarizeNetwork(file)
    warnings.push(...networkWarnings(network))
    return { ...report, network, warnings }
  }
  return { ...report, warnings }
}

function amounts(file: WeightFile): Pick<Inspection, 'total' | 'types' | 'groups'> {
  const types = new Map<string, Amount>()
  const groups = new Map<string, Amount>()
  let total: Amount = { tensors: 0, parameters: 0, sizeBytes: 0 }
  const unread = file.foreign.map((entry) => ({ ...entry, sizeBytes: 0 }))
  for (const { name, dtype, shape, sizeBytes } of [...file.entries.values(), ...unread]) {
    const grown = ({ tensors, parameters, sizeBytes: bytes }: Amount): Amount => ({
      tensors: tensors + 1,
      parameters: parameters + sizeOf(shape),
      sizeBytes: bytes + sizeBytes,
    })
    const none: Amount = { tensors: 0, parameters: 0, sizeBytes: 0 }
    total = grown(total)
    types.set(dtype, grown(types.get(dtype) ?? none))
    const group = groupOf(name)
    groups.set(group, grown(groups.get(group) ?? none))
  }
  const bySize = (map: ReadonlyMap<string, Amount>) =>
    new Map([...map].sort(([, a], [, b]) => b.parameters - a.parameters || b.tensors - a.tensors))
  return { total, types: bySize(types), groups: bySize(groups) }
}

/** The part of a model a tensor belongs to: two parts of a checkpoint's name, the model's prefix of a network's. */
function groupOf(name: string): string {
  const network = /^(?:lora|lycoris|oft)_(?:unet|te\d?|text_model)(?=_)/.exec(name)?.[0]
  if (network) return network
  const parts = name.split('.')
  return parts.length > 2 && /^(?:model|cond_stage_model|first_stage_model|conditioner)$/.test(parts[0]!)
    ? `${parts[0]}.${parts[1]}`
    : parts[0]!
}

function generalWarnings(file: WeightFile): string[] {
  const warnings: string[] = []
  if (file.format === 'pickle')
    warnings.push('a pickle, whose program was read and not run; safetensors is safer to share')
  if (file.foreign.length > 0) {
    const types = [...new Set(file.foreign.map(({ dtype }) => dtype))].join(', ')
    warnings.push(`${file.foreign.length} tensors are of types that cannot be read: ${types}`)
  }
  const doubles = [...file.entries.values()].filter(({ dtype, shape }) => dtype === 'F64' && shape.length > 1).length
  if (doubles > 0) warnings.push(`${doubles} tensors are in double precision, which is of no use here`)
  return warnings
}

function checkpointWarnings({ config, weights, hasVae, isPredictionAssumed, alphasCumprod }: DetectedModel): string[] {
  const warnings: string[] = []
  if (!hasVae) warnings.push('it has no VAE of its own: one has to be chosen')
  if (isPredictionAssumed) {
    warnings.push('nothing says whether it predicts noise or v, and shapes cannot tell: a yaml beside it would')
  }
  if (alphasCumprod && alphasCumprod.dtype !== 'F32' && alphasCumprod.dtype !== 'F64') {
    warnings.push(`its noise schedule is stored as ${alphasCumprod.dtype}, so its noise levels are rounded`)
  }
  const used = modelLayout(config)
  const averaged = [...weights.values()].filter(({ name }) => name.startsWith('model_ema.'))
  if (averaged.length > 0) warnings.push(`${averaged.length} tensors of averaged weights (model_ema) are not used`)
  const known = /^(?:model_ema\.|first_stage_model\.loss\.)|position_ids$|text_projection$|logit_scale$/
  // Names without a dot are the buffers of a noise schedule.
  const unused = [...weights.keys()].filter((name) => name.includes('.') && !used.has(name) && !known.test(name))
  if (unused.length > 0) warnings.push(`${unused.length} tensors are not part of the model, such as ${unused[0]}`)
  return warnings
}

/** The model's family and variant in words. */
function modelName({ kind, prediction, isInpainting }: ModelConfig): string {
  const family = `Stable Diffusion ${kind === 'sd1' ? '1.x' : '2.x'}`
  return [family, ...(isInpainting ? ['inpainting'] : []), ...(prediction === 'v' ? ['v-prediction'] : [])].join(', ')
}

const encodersByWidth: ReadonlyMap<number, string> = new Map([
  [768, 'Stable Diffusion 1.x'],
  [1024, 'Stable Diffusion 2.x'],
  [1280, "SDXL's second encoder"],
])

function summarizeEmbedding(file: WeightFile): EmbeddingSummary | undefined {
  const vectors = [...file.entries.values()].find(isVectors)
  const width = vectors?.shape.at(-1)
  if (!vectors || width === undefined) return undefined
  const text = (value: PlainValue | undefined) => (typeof value === 'string' ? value : undefined)
  const step = file.values?.get('step')
  const isXl = file.entries.has('clip_g') && file.entries.has('clip_l')
  return {
    name: text(file.values?.get('name')),
    vectors: vectors.shape.length === 1 ? 1 : vectors.shape[0]!,
    width,
    fits: isXl ? 'SDXL' : (encodersByWidth.get(width) ?? `a text encoder ${width} wide`),
    step: typeof step === 'number' ? step : undefined,
    checkpoint: text(file.values?.get('sd_checkpoint_name')),
  }
}

function isVectors({ shape }: WeightEntry): boolean {
  return shape.length === 2 || shape.length === 1
}
