import type { PlainValue, WeightEntry, WeightFile } from '../files/weights.ts'
import {
  clipFromTransformers,
  openClipFromTransformers,
  prefixes,
  unetFromDiffusers,
  vaeFromDiffusers,
} from './keys.ts'
import { plainAt } from './plain.ts'

type Weights = ReadonlyMap<string, WeightEntry>

/**
 * A file's tensors under the names CompVis gave them, whichever of the common spellings it has: a checkpoint, a
 * diffusers pipeline (a folder, or one file with `unet.`, `vae.` and `text_encoder.`), a VAE or UNet alone.
 * OpenCLIP's joint query, key and value become three. Names without a counterpart stay as they are.
 */
export function compVisWeights(file: WeightFile): Weights {
  const names = [...file.entries.keys()]
  const isPipeline = names.some((name) => name.startsWith('unet.down_blocks.') || name.startsWith('vae.decoder.'))
  const named = isPipeline || file.format === 'diffusers' ? fromPipeline(file) : fromSingle(file.entries)
  return splitJointProjections(named)
}

function fromPipeline({ entries, configs }: WeightFile): Weights {
  const text = below(entries, 'text_encoder.')
  const isOpenClip = isSecondGeneration(text, plainAt(configs, 'text_encoder', 'hidden_act'))
  return new Map([
    ...renamed(below(entries, 'unet.'), unetFromDiffusers, prefixes.unet),
    ...renamed(below(entries, 'vae.'), vaeFromDiffusers, prefixes.vae),
    ...(isOpenClip
      ? renamed(text, openClipFromTransformers, prefixes.openclip)
      : renamed(text, clipFromTransformers, prefixes.clip)),
  ])
}

/** Transformers spells both encoders alike. OpenCLIP's has another activation and, cut to 23 or whole, more layers. */
function isSecondGeneration(text: Weights, activation: PlainValue | undefined): boolean {
  if (typeof activation === 'string') return activation !== 'quick_gelu'
  const layers = [...text.keys()].map((name) => /encoder\.layers\.(\d+)\./.exec(name)?.[1]).filter(Boolean)
  return new Set(layers).size > 12
}

function fromSingle(entries: Weights): Weights {
  if (entries.has('decoder.conv_in.weight')) {
    const isDiffusers = [...entries.keys()].some((name) => name.startsWith('decoder.up_blocks.'))
    return isDiffusers ? renamed(entries, vaeFromDiffusers, prefixes.vae) : prefixed(entries, prefixes.vae)
  }
  if (entries.has('down_blocks.0.resnets.0.conv1.weight')) return renamed(entries, unetFromDiffusers, prefixes.unet)
  const weights = new Map<string, WeightEntry>()
  for (const entry of entries.values()) {
    // Written by versions of Transformers before the text model had a name of its own.
    const name = entry.name.replace(
      /^cond_stage_model\.transformer\.(?=embeddings\.|encoder\.|final_layer_norm\.)/,
      prefixes.clip,
    )
    weights.set(name, { ...entry, name })
  }
  return weights
}

/**
 * `attn.in_proj_weight` [3W, W] holds the projections of query, key and value one below the other, so each is
 * a run of its bytes: nothing is copied.
 */
function splitJointProjections(weights: Weights): Weights {
  const split = new Map<string, WeightEntry>()
  for (const [name, entry] of weights) {
    const joint = /^(.+\.attn\.)in_proj_(weight|bias)$/.exec(name)
    const rows = entry.shape[0]
    if (!joint || rows === undefined || rows % 3) {
      split.set(name, entry)
      continue
    }
    for (const [third, projection] of ['q_proj', 'k_proj', 'v_proj'].entries()) {
      const part = `${joint[1]}${projection}.${joint[2]}`
      split.set(part, { ...slicedRows(entry, (third * rows) / 3, rows / 3), name: part })
    }
  }
  return split
}

/** `count` rows of a tensor from row `first` on, where they lie. */
function slicedRows(entry: WeightEntry, first: number, count: number): WeightEntry {
  const rowBytes = entry.sizeBytes / entry.shape[0]!
  const [from, sizeBytes] = [first * rowBytes, count * rowBytes]
  const { location } = entry
  const slice =
    'bytes' in location
      ? { bytes: location.bytes.subarray(from, from + sizeBytes) }
      : { path: location.path, offset: location.offset + from }
  return { ...entry, shape: [count, ...entry.shape.slice(1)], sizeBytes, location: slice }
}

/** The tensors whose names begin with `prefix`, without it. */
function below(entries: Weights, prefix: string): Weights {
  const found = [...entries].filter(([name]) => name.startsWith(prefix))
  return new Map(found.map(([name, entry]) => [name.slice(prefix.length), entry]))
}

function prefixed(entries: Weights, prefix: string): Weights {
  return new Map([...entries].map(([name, entry]) => [prefix + name, { ...entry, name: prefix + name }]))
}

function renamed(
  entries: Weights,
  translate: (names: Iterable<string>) => ReadonlyMap<string, string>,
  prefix: string,
): Weights {
  const names = translate(entries.keys())
  const known = [...entries].filter(([name]) => names.has(name))
  return prefixed(new Map(known.map(([name, entry]) => [names.get(name)!, entry])), prefix)
}
