import { StudioError } from '../errors.ts'
import { titleOf, type WeightEntry, type WeightFile } from '../files/weights.ts'

/** A model that writes a sentence about a picture (Li et al. 2022, "BLIP"), as far as its tensors tell. */
export interface Blip {
  readonly vision: BlipVisionConfig
  readonly text: BlipTextConfig
  /** The tensors, by the names of their layout, those that a file may leave out as copies of others included. */
  readonly weights: ReadonlyMap<string, WeightEntry>
}

/** The vision transformer (Dosovitskiy et al. 2021). */
export interface BlipVisionConfig {
  /** Whose names it has: the first publisher's, or those of Transformers. */
  readonly kind: 'salesforce' | 'transformers'
  readonly layers: number
  readonly width: number
  readonly mlpWidth: number
  readonly heads: number
  /** Sides in pixels: of a patch, and of the picture. */
  readonly patch: number
  readonly side: number
  /** What normalisations add to a variance; the publishers differ. */
  readonly epsilon: number
}

/** The decoder: BERT (Devlin et al. 2019) that sees earlier words only, and a picture. */
export interface BlipTextConfig {
  readonly layers: number
  readonly width: number
  readonly mlpWidth: number
  readonly heads: number
  readonly vocabulary: number
  /** The longest text in tokens. */
  readonly positions: number
}

/** Every published BLIP has heads of this width; tensors do not tell. */
const headWidth = 64

/** Names of the vision transformer's parts by publisher. */
export const visionNames = {
  salesforce: {
    root: 'visual_encoder',
    classToken: 'cls_token',
    positions: 'pos_embed',
    patches: 'patch_embed.proj',
    layers: 'blocks',
    norm1: 'norm1',
    norm2: 'norm2',
    qkv: 'attn.qkv',
    projection: 'attn.proj',
    finalNorm: 'norm',
  },
  transformers: {
    root: 'vision_model',
    classToken: 'embeddings.class_embedding',
    positions: 'embeddings.position_embedding',
    patches: 'embeddings.patch_embedding',
    layers: 'encoder.layers',
    norm1: 'layer_norm1',
    norm2: 'layer_norm2',
    qkv: 'self_attn.qkv',
    projection: 'self_attn.projection',
    finalNorm: 'post_layernorm',
  },
} as const

const head = 'text_decoder.cls.predictions'
const words = 'text_decoder.bert.embeddings.word_embeddings.weight'

/** Tells a BLIP that captions pictures, and its dimensions, from the names and shapes of its tensors. */
export function detectBlip(file: WeightFile): Blip {
  const weights = withCopies(unwrapped(file.entries))
  const kinds = ['salesforce', 'transformers'] as const
  const kind = kinds.find((each) => weights.has(`${visionNames[each].root}.${visionNames[each].classToken}`))
  const has = (prefix: string) => [...weights.keys()].some((name) => name.startsWith(prefix))
  if (kind === undefined || !has('text_decoder.')) {
    throw refused(
      file,
      'is no BLIP that captions pictures: expected tensors visual_encoder.* or vision_model.*, and text_decoder.*',
    )
  }
  // Pretraining keeps all of its parts; of the others only the one that answers questions has both texts.
  if (has('text_encoder.') && !has('vision_proj.')) {
    throw refused(file, 'is a BLIP that answers questions: its decoder reads a question, not a picture')
  }
  return { vision: visionConfig(file, weights, kind), text: textConfig(file, weights), weights }
}

type Weights = ReadonlyMap<string, WeightEntry>

function visionConfig(file: WeightFile, weights: Weights, kind: BlipVisionConfig['kind']): BlipVisionConfig {
  const names = visionNames[kind]
  const shape = (name: string, axes: number) => shapeOf(file, weights, `${names.root}.${name}`, axes)
  const [width, , patch] = shape(`${names.patches}.weight`, 4)
  const [, tokens] = shape(names.positions, 3)
  const [mlpWidth] = shape(`${names.layers}.0.mlp.fc1.weight`, 2)
  const across = Math.sqrt(tokens! - 1)
  if (!Number.isInteger(across) || across < 1) {
    throw refused(file, `${names.root}.${names.positions}: ${tokens} tokens, expected a square of patches and one more`)
  }
  return {
    kind,
    layers: layersUnder(weights, `${names.root}.${names.layers}`),
    width: width!,
    mlpWidth: mlpWidth!,
    heads: headsOf(file, names.root, width!),
    patch: patch!,
    side: across * patch!,
    epsilon: kind === 'salesforce' ? 1e-6 : 1e-5,
  }
}

function textConfig(file: WeightFile, weights: Weights): BlipTextConfig {
  const [vocabulary, width] = shapeOf(file, weights, words, 2)
  const [positions] = shapeOf(file, weights, 'text_decoder.bert.embeddings.position_embeddings.weight', 2)
  const [mlpWidth] = shapeOf(file, weights, 'text_decoder.bert.encoder.layer.0.intermediate.dense.weight', 2)
  return {
    layers: layersUnder(weights, 'text_decoder.bert.encoder.layer'),
    width: width!,
    mlpWidth: mlpWidth!,
    heads: headsOf(file, 'text_decoder', width!),
    vocabulary: vocabulary!,
    positions: positions!,
  }
}

function shapeOf(file: WeightFile, weights: Weights, name: string, axes: number): readonly number[] {
  const found = weights.get(name)
  if (found?.shape.length === axes) return found.shape
  const problem = found ? `is [${found.shape}], expected ${axes} axes` : 'missing'
  throw new StudioError('wrong-architecture', `${titleOf(file)}: ${name}: ${problem}`, { field: name })
}

function headsOf(file: WeightFile, part: string, width: number): number {
  if (width % headWidth === 0) return width / headWidth
  throw refused(file, `${part}: ${width} features, expected a multiple of ${headWidth}, BLIP’s width of a head`)
}

function layersUnder(weights: Weights, path: string): number {
  const numbers = [...weights.keys()]
    .filter((name) => name.startsWith(`${path}.`))
    .map((name) => Number.parseInt(name.slice(path.length + 1), 10))
  return 1 + Math.max(...numbers)
}

/** The first publisher keeps the tensors in a dictionary `model`. */
function unwrapped(entries: Weights): Weights {
  const inner = [...entries].filter(([name]) => name.startsWith('model.'))
  return inner.length === 0 ? entries : new Map(inner.map(([name, entry]) => [name.slice('model.'.length), entry]))
}

/** The head often has the table of words as its weight, and its bias under two names: a file may hold either. */
function withCopies(entries: Weights): Weights {
  const weights = new Map(entries)
  for (const [one, other] of [
    [`${head}.decoder.weight`, words],
    [`${head}.decoder.bias`, `${head}.bias`],
  ] as const) {
    const [a, b] = [weights.get(one), weights.get(other)]
    if (!a && b) weights.set(one, b)
    if (!b && a) weights.set(other, a)
  }
  return weights
}

function refused(file: WeightFile, problem: string): StudioError {
  return new StudioError('wrong-architecture', `${titleOf(file)}: ${problem}`, { field: titleOf(file) })
}
