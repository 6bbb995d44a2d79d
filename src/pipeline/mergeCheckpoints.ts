import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readBytes, readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { bytesPer, type DType } from '../tensor/dtype.ts'
import { toF16 } from '../tensor/half.ts'
import { sizeOf } from '../tensor/shape.ts'

/** How checkpoints become one. */
export type MergeMethod = 'no interpolation' | 'weighted sum' | 'add difference'

/** Checkpoint files, and what is to be made of them. */
export interface Merge {
  readonly primary: string
  readonly secondary: string | undefined
  readonly tertiary: string | undefined
  readonly method: MergeMethod
  /** Weighted sum: A·(1 − m) + B·m. Add difference: A + (B − C)·m. */
  readonly multiplier: number
  /** Written in half precision, whatever the files hold. */
  readonly half: boolean
  /** A VAE that takes the place of the checkpoint's own. */
  readonly vae: string | undefined
  /** Tensors whose names this finds are left out. */
  readonly discard: RegExp | undefined
}

const vaePrefix = 'first_stage_model.'
/** The first convolution of a UNet, which in inpainting models also takes the mask and the masked picture. */
const firstConv = 'model.diffusion_model.input_blocks.0.0.weight'

/**
 * Merges checkpoints as A1111's checkpoint merger does: tensor by tensor where the name has "model" in it, in single
 * precision. What only A has stays, what only B has is taken over, what C lacks makes no difference. Of a UNet with more
 * input channels than the other's, only those in common are merged.
 */
export function mergeCheckpoints(merge: Merge, path: string): void {
  if (existsSync(path)) throw new StudioError('conflict', `${path}: is there already`, { field: 'name' })
  const a = openWeights(merge.primary)
  const others = neededBy(merge)
  const b = others.secondary === undefined ? undefined : openWeights(others.secondary)
  const c = others.tertiary === undefined ? undefined : openWeights(others.tertiary)
  const baked = new Map(
    merge.vae === undefined
      ? []
      : [...openWeights(merge.vae).entries].map(([name, entry]) => [vaeName(name), entry] as const),
  )

  const entries: WeightEntry[] = []
  for (const [name, entry] of a.entries) {
    if (merge.discard?.test(name)) continue
    const other = b?.entries.get(name)
    if (baked.has(name)) entries.push(kept(name, baked.get(name)!, merge.half))
    else if (other === undefined || !isMerged(name)) entries.push(kept(name, entry, merge.half))
    else entries.push(merged(name, entry, other, c?.entries.get(name), merge))
  }
  for (const [name, entry] of b?.entries ?? []) {
    if (!a.entries.has(name) && isMerged(name) && !merge.discard?.test(name))
      entries.push(kept(name, entry, merge.half))
  }
  writeSafetensors(path, entries, new Map([['sd_merge_recipe', recipeText(merge)]]))
}

/** The file that a merge is written to. */
export function mergePath(dataDir: string, name: string): string {
  if (/[/\\\0]|^\.|^\s*$/.test(name) || name.length > 200) {
    throw new StudioError('bad-request', `name: found "${name}", expected a file name`, { field: 'name' })
  }
  return join(dataDir, 'models', 'Stable-diffusion', `${name}.safetensors`)
}

function neededBy({ method, secondary, tertiary }: Merge): { secondary?: string; tertiary?: string } {
  const need = (file: string | undefined, field: string): string => {
    if (file !== undefined) return file
    throw new StudioError('bad-request', `${field}: "${method}" needs this checkpoint`, { field })
  }
  if (method === 'no interpolation') return {}
  if (method === 'weighted sum') return { secondary: need(secondary, 'secondary') }
  return { secondary: need(secondary, 'secondary'), tertiary: need(tertiary, 'tertiary') }
}

function isMerged(name: string): boolean {
  return name.includes('model') && !name.endsWith('position_ids')
}

function vaeName(name: string): string {
  return name.startsWith(vaePrefix) ? name : vaePrefix + name
}

/** A tensor as it is, or in half precision. Its numbers are read when they are written. */
function kept(name: string, entry: WeightEntry, half: boolean): WeightEntry {
  const dtype = half && isFloat(entry.dtype) ? 'F16' : entry.dtype
  if (dtype === entry.dtype) return lazily(name, dtype, entry.shape, () => readBytes(entry))
  return lazily(name, dtype, entry.shape, () => encoded(readWeight(entry).data, dtype))
}

function merged(name: string, a: WeightEntry, b: WeightEntry, c: WeightEntry | undefined, merge: Merge): WeightEntry {
  const dtype = merge.half ? 'F16' : a.dtype === 'F16' ? 'F16' : 'F32'
  const shared = sharedChannels(name, a, b)
  for (const other of [b, ...(c ? [c] : [])]) {
    const [, ...inner] = other.shape
    const fits = other.shape.join() === a.shape.join() || (shared !== undefined && inner[0] === shared)
    if (fits) continue
    throw new StudioError(
      'wrong-architecture',
      `${name}: is [${other.shape}] in one checkpoint and [${a.shape}] in another`,
    )
  }
  return lazily(name, dtype, a.shape, () => {
    const data = readWeight(a).data.slice()
    const second = readWeight(b).data
    const third = c && readWeight(c).data
    const m = merge.multiplier
    const into = placesOf(a.shape, shared)
    for (const [i, value] of second.entries()) {
      const at = into(i)
      data[at] =
        merge.method === 'weighted sum'
          ? data[at]! * (1 - m) + value * m
          : data[at]! + (value - (third?.[i] ?? value)) * m
    }
    return encoded(data, dtype)
  })
}

/** The input channels that A's larger first convolution has in common with B's. */
function sharedChannels(name: string, a: WeightEntry, b: WeightEntry): number | undefined {
  const [own, other] = [a.shape[1], b.shape[1]]
  if (name !== firstConv || own === undefined || other === undefined || own === other) return undefined
  if (other > own) {
    throw new StudioError(
      'wrong-architecture',
      `secondary: a UNet of ${other} input channels cannot be merged into one of ${own}; the other way round it can`,
      { field: 'secondary' },
    )
  }
  return other
}

/** Where the i-th number of a tensor with fewer input channels lies in the one with more. */
function placesOf([, channels = 1, ...kernel]: readonly number[], shared: number | undefined): (i: number) => number {
  if (shared === undefined) return (i) => i
  const area = sizeOf(kernel)
  return (i) => Math.floor(i / (shared * area)) * channels * area + (i % (shared * area))
}

function isFloat(dtype: DType): boolean {
  return ['F64', 'F32', 'F16', 'BF16'].includes(dtype)
}

function encoded(values: Float32Array, dtype: DType): Uint8Array {
  const { buffer, byteOffset, byteLength } = dtype === 'F16' ? toF16(values) : values
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function lazily(name: string, dtype: DType, shape: readonly number[], read: () => Uint8Array): WeightEntry {
  const location = {
    get bytes() {
      return read()
    },
  }
  return { name, dtype, shape, sizeBytes: sizeOf(shape) * bytesPer(dtype), location }
}

/** What was done, as A1111 writes it into merged files. */
function recipeText({ method, multiplier, half, discard, vae }: Merge): string {
  return JSON.stringify({
    type: 'webui',
    interp_method: {
      'no interpolation': 'No interpolation',
      'weighted sum': 'Weighted sum',
      'add difference': 'Add difference',
    }[method],
    multiplier,
    save_as_half: half,
    bake_in_vae: vae === undefined ? 'None' : vae.split(/[\\/]/).at(-1),
    discard_weights: discard?.source ?? '',
  })
}
