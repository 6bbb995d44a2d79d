import type { WeightFile } from '../files/weights.ts'

/** A LoRA or one of its kin, as far as names, shapes and metadata tell. */
export interface NetworkSummary {
  /** Adapted layers of each model, by the prefix of their names: `lora_unet`, `lora_te`, `unet`, … */
  readonly layers: ReadonlyMap<string, number>
  /** How the layers' changes are written: `LoRA`, `LoHa`, … */
  readonly families: readonly string[]
  /** Ranks of the low-rank pairs and how many layers have each, the most frequent first. */
  readonly ranks: ReadonlyMap<number, number>
  readonly layersWithoutAlpha: number
  /** The model it was made for, from its metadata or the width of the prompt's vectors. */
  readonly base: string | undefined
}

/** Signs of a family in the last parts of a tensor's name. */
const families: readonly (readonly [string, RegExp])[] = [
  ['LoRA', /[._](?:lora_down|lora_A|lora\.down|lora_linear_layer\.down)(?:\.[\w-]+)?\.weight$|_lora\.down\.weight$/],
  ['LoHa', /\.hada_w1_a$/],
  ['LoKr', /\.lokr_w1(?:_a)?$/],
  ['OFT', /\.oft_(?:blocks|diag)$/],
  ['IA3', /\.on_input$/],
  ['full difference', /\.diff$/],
  ['norms', /\.w_norm$/],
  ['DoRA', /\.(?:dora_scale|lora_magnitude_vector)\b/],
]

/** Widths of the prompt's vectors, which cross-attention's keys take in. */
const contextWidths: ReadonlyMap<number, string> = new Map([
  [768, 'Stable Diffusion 1.x'],
  [1024, 'Stable Diffusion 2.x'],
  [2048, 'SDXL'],
])

export function summarizeNetwork(file: WeightFile): NetworkSummary {
  const layers = new Map<string, Set<string>>()
  const ranks = new Map<number, number>()
  const found = new Set<string>()
  const withAlpha = new Set<string>()
  let context: number | undefined
  for (const { name, shape } of file.entries.values()) {
    const family = families.find(([, sign]) => sign.test(name))
    if (family) found.add(family[0])
    const layer = layerOf(name)
    if (layer === undefined) continue
    const target = /^(?:lora|lycoris|oft)_(?:unet|te\d?|text_model)(?=_)|^[^.]+/.exec(layer)![0]
    layers.set(target, (layers.get(target) ?? new Set()).add(layer))
    if (name.endsWith('.alpha')) withAlpha.add(layer)
    if (family?.[0] !== 'LoRA') continue
    ranks.set(shape[0]!, (ranks.get(shape[0]!) ?? 0) + 1)
    if (/attn2[._](?:processor[._])?to_[kv]/.test(name)) context ??= shape[1]
  }
  const all = [...layers.values()].flatMap((names) => [...names])
  return {
    layers: new Map([...layers].map(([target, names]) => [target, names.size])),
    families: [...found],
    ranks: new Map([...ranks].sort(([, a], [, b]) => b - a)),
    layersWithoutAlpha: all.filter((layer) => !withAlpha.has(layer)).length,
    base: statedBase(file.metadata) ?? (context === undefined ? undefined : contextWidths.get(context)),
  }
}

/** A name without the part that says which matrix of the adapter it is. */
function layerOf(name: string): string | undefined {
  const part =
    /(?:\.(?:lora_(?:up|down|mid|[AB])|hada_\w+|lokr_\w+|oft_\w+|on_input|alpha|diff|diff_b|w_norm|b_norm|dora_scale|lora_magnitude_vector|lora\.(?:up|down)|lora_linear_layer\.(?:up|down))(?:\.[\w-]+)?(?:\.weight)?|_lora\.(?:up|down)\.weight)$/
  return part.test(name) ? name.replace(part, '') : undefined
}

function statedBase(metadata: ReadonlyMap<string, string>): string | undefined {
  const spec = metadata.get('modelspec.architecture')
  if (spec) return spec
  if (metadata.get('ss_v2') === 'True') return 'Stable Diffusion 2.x'
  return metadata.get('ss_base_model_version')
}

export function networkWarnings({ layers, layersWithoutAlpha, ranks, base }: NetworkSummary): string[] {
  const warnings: string[] = []
  if (layers.size === 0) warnings.push('none of its tensors has a name that belongs to a network')
  if (ranks.size > 0 && layersWithoutAlpha > 0) {
    warnings.push(`${layersWithoutAlpha} layers have no alpha: their change counts in full`)
  }
  if (base && /xl/i.test(base)) warnings.push('it was made for SDXL, which is not supported')
  return warnings
}
