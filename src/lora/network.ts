import { StudioError } from '../errors.ts'
import type { WeightEntry, WeightFile } from '../files/weights.ts'
import { flat, type NetworkKey, type Part, readKey, type Target } from './keys.ts'

/** A LoRA-like file whose header has been read: what it changes, by the names it uses itself. */
export interface Network {
  /** The file's name without extension, by which prompts call it. */
  readonly name: string
  /** The other name prompts may use: what its trainer called it. */
  readonly alias: string
  readonly path: string
  readonly metadata: ReadonlyMap<string, string>
  readonly modules: readonly NetworkModule[]
  /** Textual inversions that travel with the network: tensors by name, by trigger. */
  readonly embeddings: ReadonlyMap<string, ReadonlyMap<string, WeightEntry>>
  /** Tensors whose names say nothing to this program. */
  readonly unknown: readonly string[]
}

/** The adapter of one layer. */
export interface NetworkModule {
  readonly target: Target
  /** The layer's path inside its model, dots as underscores, in the file's spelling. */
  readonly layer: string
  readonly family: Family
  readonly tensors: ReadonlyMap<Part, WeightEntry>
  /** Where the file says it in its metadata instead of a tensor. */
  readonly alpha?: number
}

export type Family = 'lora' | 'loha' | 'lokr' | 'ia3' | 'full' | 'norm' | 'oft' | 'boft' | 'glora'

/** Groups the tensors of a file into adapters. Only names and shapes are looked at. */
export function openNetwork(file: WeightFile): Network {
  const groups = new Map<string, { key: NetworkKey; tensors: Map<Part, WeightEntry> }>()
  const embeddings = new Map<string, Map<string, WeightEntry>>()
  const unknown: string[] = file.foreign.map(({ name }) => name)
  for (const [name, entry] of file.entries) {
    const bundled = /^bundle_emb\.([^.]+)\.(.+)$/.exec(name)
    if (bundled) {
      const [, trigger, inner] = bundled
      embeddings.set(trigger!, (embeddings.get(trigger!) ?? new Map()).set(inner!, entry))
      continue
    }
    const key = readKey(name)
    if (!key) {
      unknown.push(name)
      continue
    }
    const id = `${key.target}_${key.layer}`
    const group = groups.get(id) ?? { key, tensors: new Map() }
    if (group.tensors.has(key.part)) unknown.push(name)
    else group.tensors.set(key.part, entry)
    groups.set(id, group)
  }

  const alphas = peftAlphas(file.metadata)
  const modules: NetworkModule[] = []
  for (const { key, tensors } of groups.values()) {
    const family = familyOf(tensors)
    const alpha = alphas(key)
    if (!family) unknown.push(...[...tensors.values()].map(({ name }) => name))
    else
      modules.push({ target: key.target, layer: key.layer, family, tensors, ...(alpha === undefined ? {} : { alpha }) })
  }
  if (modules.length === 0 && embeddings.size === 0) {
    throw new StudioError(
      'wrong-architecture',
      `${file.path}: none of its ${file.entries.size + file.foreign.length} tensors belongs to a LoRA or its kin`,
      { field: file.path },
    )
  }
  const name = stemOf(file.path)
  const outputName = file.metadata.get('ss_output_name')
  return {
    name,
    alias: outputName === undefined || outputName === 'None' ? name : outputName,
    path: file.path,
    metadata: file.metadata,
    modules,
    embeddings,
    unknown,
  }
}

/** The family whose required parts are there. The order settles files which carry the parts of two. */
function familyOf(tensors: ReadonlyMap<Part, WeightEntry>): Family | undefined {
  const has = (...parts: Part[]) => parts.every((part) => tensors.has(part))
  if (has('lora_up', 'lora_down')) return 'lora'
  if (has('hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b')) return 'loha'
  if (has('weight', 'on_input')) return 'ia3'
  if ((has('lokr_w1') || has('lokr_w1_a', 'lokr_w1_b')) && (has('lokr_w2') || has('lokr_w2_a', 'lokr_w2_b'))) {
    return 'lokr'
  }
  if (has('diff') || has('diff_b')) return 'full'
  if (has('w_norm') || has('b_norm')) return 'norm'
  if (has('a1', 'a2', 'b1', 'b2')) return 'glora'
  if (has('oft_blocks')) return tensors.get('oft_blocks')!.shape.length === 4 ? 'boft' : 'oft'
  return has('oft_diag') ? 'oft' : undefined
}

/**
 * Diffusers keeps a PEFT network's settings as JSON in the metadata: `unet.lora_alpha`, and `unet.alpha_pattern` for
 * layers that have another. Gives the alpha of a layer, or undefined where nothing is said.
 */
function peftAlphas(metadata: ReadonlyMap<string, string>): (key: NetworkKey) => number | undefined {
  const settings = parseJson(metadata.get('lora_adapter_metadata'))
  const byTarget = new Map(
    (['unet', 'text'] as const).map((target) => {
      const model = target === 'unet' ? 'unet' : 'text_encoder'
      const ofLayers = [...plainObject(settings.get(`${model}.alpha_pattern`))].map(
        ([path, alpha]) => [flat(path), alpha] as const,
      )
      return [target, { ofAll: settings.get(`${model}.lora_alpha`), ofLayers: new Map(ofLayers) }]
    }),
  )
  return ({ target, layer }) => {
    const alphas = target === 'unet' || target === 'text' ? byTarget.get(target) : undefined
    const alpha = alphas?.ofLayers.get(layer) ?? alphas?.ofAll
    return typeof alpha === 'number' && Number.isFinite(alpha) ? alpha : undefined
  }
}

/** JSON that is somebody else's: what is not an object counts as an empty one. */
function parseJson(text: string | undefined): ReadonlyMap<string, unknown> {
  if (text === undefined) return new Map()
  try {
    return plainObject(JSON.parse(text))
  } catch {
    return new Map()
  }
}

function plainObject(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : [])
}

function stemOf(path: string): string {
  const file = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)
  const dot = file.lastIndexOf('.')
  return dot > 0 ? file.slice(0, dot) : file
}
