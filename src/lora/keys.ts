/** The parts a layer's adapter is stored in, under the names kohya and LyCORIS give them. */
const parts = [
  'lora_up',
  'lora_mid',
  'lora_down',
  'hada_w1_a',
  'hada_w1_b',
  'hada_w2_a',
  'hada_w2_b',
  'hada_t1',
  'hada_t2',
  'lokr_w1',
  'lokr_w1_a',
  'lokr_w1_b',
  'lokr_w2',
  'lokr_w2_a',
  'lokr_w2_b',
  'lokr_t2',
  'weight',
  'on_input',
  'diff',
  'diff_b',
  'w_norm',
  'b_norm',
  'oft_blocks',
  'oft_diag',
  'rescale',
  'a1',
  'a2',
  'b1',
  'b2',
  'alpha',
  'scale',
  'dora_scale',
] as const

export type Part = (typeof parts)[number]

/** The models of a checkpoint that networks adapt. `text2` is SDXL's second encoder; `other` no model known here. */
export type Target = 'unet' | 'text' | 'text2' | 'other'

/** What one tensor of a network file is: a part of the adapter of a layer. */
export interface NetworkKey {
  readonly target: Target
  /** The layer's path inside its model, dots as underscores: `down_blocks_0_attentions_0_proj_in`. */
  readonly layer: string
  readonly part: Part
}

/**
 * Reads a tensor's name in any of the spellings trainers use: kohya's and LyCORIS' (`lora_unet_….lora_up.weight`),
 * PEFT's (`unet.….lora_A.weight`), and diffusers' older ones (`….processor.to_q_lora.up.weight`,
 * `….lora.up.weight`, `….lora_linear_layer.up.weight`). Undefined where it is none of them.
 */
export function readKey(key: string): NetworkKey | undefined {
  for (const { pattern, partOf, layerOf } of spellings) {
    const match = pattern.exec(key)
    const part = match && partOf(match)
    const place = part && readLayer(layerOf(match))
    if (place) return { ...place, part }
  }
  return undefined
}

interface Spelling {
  readonly pattern: RegExp
  readonly layerOf: (match: RegExpExecArray) => string
  readonly partOf: (match: RegExpExecArray) => Part | undefined
}

const upOrDown = (match: RegExpExecArray): Part => (match.at(-1) === 'up' ? 'lora_up' : 'lora_down')

const spellings: readonly Spelling[] = [
  {
    // Attention processors name the projection together with the adapter, and the output projection without its index.
    pattern: /^(.+?)(?:\.processor)?\.(to_q|to_k|to_v|to_out)_lora\.(up|down)\.weight$/,
    layerOf: (match) => `${match[1]}.${match[2] === 'to_out' ? 'to_out.0' : match[2]}`,
    partOf: upOrDown,
  },
  { pattern: /^(.+)\.(?:lora|lora_linear_layer)\.(up|down)\.weight$/, layerOf: (match) => match[1]!, partOf: upOrDown },
  {
    pattern: /^(.+)\.lora_(A|B)(?:\.[\w-]+)?\.weight$/,
    layerOf: (match) => match[1]!,
    partOf: (match) => (match[2] === 'A' ? 'lora_down' : 'lora_up'),
  },
  {
    pattern: /^(.+)\.lora_magnitude_vector(?:\.[\w-]+)?(?:\.weight)?$/,
    layerOf: (match) => match[1]!,
    partOf: () => 'dora_scale',
  },
  {
    // Of these only the flattened names are a network's: `….to_k.weight` with dots is a checkpoint's own tensor.
    pattern: /^([^.]+)\.(weight|on_input|diff|diff_b|w_norm|b_norm|rescale|scale|[ab][12])(?:\.weight)?$/,
    layerOf: (match) => match[1]!,
    partOf: (match) => partNamed(match[2]!),
  },
  {
    pattern: /^(.+)\.(lora_(?:up|mid|down)|hada_\w+|lokr_\w+|oft_\w+|alpha|dora_scale)(?:\.weight)?$/,
    layerOf: (match) => match[1]!,
    partOf: (match) => partNamed(match[2]!),
  },
]

function partNamed(name: string): Part | undefined {
  return parts.find((part) => part === name)
}

/** Prefixes that say which model a layer belongs to, longer ones before those they begin with. */
const prefixes: readonly (readonly [string, Target])[] = [
  ['lora_unet_', 'unet'],
  ['lora_te1_', 'text'],
  ['lora_te2_', 'text2'],
  ['lora_te3_', 'other'],
  ['lora_te_', 'text'],
  ['oft_unet_', 'unet'],
  ['oft_te_', 'text'],
  ['lycoris_text_model_', 'text'],
  ['lycoris_', 'unet'],
  ['model.diffusion_model.', 'unet'],
  ['diffusion_model.', 'unet'],
  ['unet.', 'unet'],
  ['text_encoder_2.', 'text2'],
  ['text_encoder_3.', 'other'],
  ['text_encoder.', 'text'],
  ['transformer.', 'other'],
]

/** How the layers of a model begin when a file adapts that model alone and says so nowhere. */
const beginnings: readonly (readonly [string, Target])[] = [
  ['down_blocks.', 'unet'],
  ['mid_block.', 'unet'],
  ['up_blocks.', 'unet'],
  ['conv_', 'unet'],
  ['time_embedding.', 'unet'],
  ['text_model.', 'text'],
]

function readLayer(name: string): { target: Target; layer: string } | undefined {
  const path = name.startsWith('base_model.model.') ? name.slice('base_model.model.'.length) : name
  const prefix = prefixes.find(([text]) => path.startsWith(text))
  if (prefix) {
    const [text, target] = prefix
    const isTextOfLycoris = text === 'lycoris_text_model_'
    return { target, layer: flat(isTextOfLycoris ? path.slice('lycoris_'.length) : path.slice(text.length)) }
  }
  const beginning = beginnings.find(([text]) => path.startsWith(text))
  return beginning && { target: beginning[1], layer: flat(path) }
}

/** A dotted path as one word, the way kohya spells it. */
export function flat(path: string): string {
  return path.replaceAll('.', '_')
}
