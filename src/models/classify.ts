import type { WeightFile } from '../files/weights.ts'
import { plainAt } from './plain.ts'

/** What a file of weights is for. */
export type FileKind =
  | 'checkpoint'
  | 'vae'
  | 'lora'
  | 'embedding'
  | 'upscaler'
  | 'preview decoder'
  | 'hypernetwork'
  | 'control network'
  | 'text encoder'
  | 'unet'
  | 'unknown'

/** A file's kind, in words for a message too, and whether this version has a use for it. */
export interface FileClass {
  readonly kind: FileKind
  readonly description: string
  readonly isSupported: boolean
}

type Row = readonly [FileKind, string, boolean, (names: readonly string[], file: WeightFile) => boolean]

const some = (pattern: RegExp) => (names: readonly string[]) => names.some((name) => pattern.test(name))
const all =
  (...patterns: readonly RegExp[]) =>
  (names: readonly string[]) =>
    patterns.every((pattern) => some(pattern)(names))

/** Signs of each kind, the telling ones first: the first row that fits is the answer. */
const rows: readonly Row[] = [
  ['control network', 'a ControlNet', false, some(/^(?:control_model|controlnet_\w+|input_hint_block)\b/)],
  [
    'lora',
    'a LoRA or a network of its family',
    true,
    some(
      /(?:[._](?:lora_(?:up|down|A|B)|lora)\.(?:\w+\.)?(?:weight|up|down)|\.hada_w1_a|\.lokr_w[12](?:_a)?|\.oft_(?:blocks|diag)|\.on_input|\.dora_scale)\b/,
    ),
  ],
  ['lora', 'a LoRA or a network of its family', true, some(/^(?:lora|lycoris|oft)_(?:unet|te\d?|text_model)_/)],
  [
    'checkpoint',
    'an SDXL checkpoint',
    false,
    (names, file) => some(/^conditioner\.embedders\.|^text_encoder_2\./)(names) || pipelineClass(file).includes('XL'),
  ],
  ['checkpoint', 'an SDXL UNet', false, some(/(?:^|\.)input_blocks\.[45]\.1\.transformer_blocks\.1\./)],
  [
    'checkpoint',
    'an SD 3 checkpoint',
    false,
    (names, file) => some(/(?:^|\.)joint_blocks\.0\./)(names) || pipelineClass(file).includes('Diffusion3'),
  ],
  [
    'checkpoint',
    'a Flux checkpoint',
    false,
    (names, file) => some(/(?:^|\.)double_blocks\.0\./)(names) || pipelineClass(file).startsWith('Flux'),
  ],
  [
    'checkpoint',
    'a Stable Diffusion checkpoint',
    true,
    some(/^model\.diffusion_model\.input_blocks\.|^unet\.down_blocks\./),
  ],
  [
    'checkpoint',
    'a diffusion transformer',
    false,
    some(/(?:^|\.)(?:transformer_blocks|blocks|layers)\.0\.(?:attn|self_attn|attn1|attention)\.(?:to_q|qkv|q)\b/),
  ],
  ['unet', 'a UNet without text encoder and VAE', false, some(/^(?:down_blocks\.0\.resnets|input_blocks\.0\.0)\./)],
  ['vae', 'a VAE', true, some(/^(?:first_stage_model\.|vae\.)?decoder\.conv_in\.weight$/)],
  [
    'preview decoder',
    'a TAESD encoder or decoder',
    true,
    some(/^(?:(?:taesd_)?(?:en|de)coder\.)?(?:layers\.)?3\.conv\.0\.weight$/),
  ],
  ['preview decoder', 'an "Approx NN" preview decoder', true, all(/^conv1\.weight$/, /^conv8\.weight$/)],
  [
    'text encoder',
    'a text encoder',
    false,
    some(/^(?:text_model\.|text_encoder\.|transformer\.)?(?:encoder\.layers|resblocks)\.0\./),
  ],
  [
    'upscaler',
    'an upscaler of the ESRGAN family',
    true,
    some(/(?:^|\.)(?:RRDB_trunk|body)\.0\.(?:RDB|rdb)1\.|(?:^|\.)model\.1\.sub\.0\.RDB1\./),
  ],
  [
    'upscaler',
    'an upscaler of the ESRGAN family',
    true,
    all(/(?:^|\.)body\.0\.weight$/, /(?:^|\.)body\.1\.weight$/, /(?:^|\.)body\.2\.weight$/),
  ],
  ['hypernetwork', 'a hypernetwork', false, some(/^(?:320|640|768|1024|1280)\.[01]\.linear\.\d+\.weight$/)],
  ['hypernetwork', 'a hypernetwork', false, some(/^(?:320|640|768|1024|1280)\.[01]\.linear1\.weight$/)],
  ['embedding', 'a textual inversion', true, some(/^string_to_param\.|^emb_params$|^clip_[lg]$/)],
  [
    'embedding',
    'a textual inversion',
    true,
    (names, file) => names.length === 1 && [...file.entries.values()].every(({ shape }) => shape.length <= 2),
  ],
]

/** Tells a file's kind from the names of its tensors; of a folder, from its configuration too. */
export function classify(file: WeightFile): FileClass {
  const names = [...file.entries.keys(), ...file.foreign.map(({ name }) => name)]
  const row = rows.find(([, , , fits]) => fits(names, file))
  if (!row) return { kind: 'unknown', description: 'a file of unknown purpose', isSupported: false }
  const [kind, description, isSupported] = row
  return { kind, description, isSupported }
}

/** A diffusers pipeline's class name; empty for anything else. */
function pipelineClass(file: WeightFile): string {
  const name = plainAt(file.configs, 'model_index', '_class_name')
  return typeof name === 'string' ? name : ''
}
