import type { WeightEntry, WeightFile } from '../../src/files/weights.ts'

/** kohya's name of a layer of 32 × 32 in the tiny checkpoints. */
export const toQ = 'down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q'

/** A float32 tensor in memory, all one number or a function of the position. */
export function entry(name: string, shape: readonly number[], fill: number | ((i: number) => number) = 1): WeightEntry {
  const size = shape.reduce((product, dim) => product * dim, 1)
  const value = typeof fill === 'number' ? () => fill : fill
  const bytes = new Uint8Array(Float32Array.from({ length: size }, (_, i) => value(i)).buffer)
  return { name, dtype: 'F32', shape, sizeBytes: bytes.length, location: { bytes } }
}

/** A file `some.safetensors` of such tensors. */
export function file(entries: readonly WeightEntry[], metadata: Record<string, string> = {}): WeightFile {
  return {
    path: '/nets/some.safetensors',
    format: 'safetensors',
    metadata: new Map(Object.entries(metadata)),
    entries: new Map(entries.map((e) => [e.name, e])),
    foreign: [],
  }
}

/** The tensors of one LoRA layer of so many ranks. */
export function layerOf(rank: number, width = 32, prefix = `lora_unet_${toQ}`): readonly WeightEntry[] {
  return [entry(`${prefix}.lora_down.weight`, [rank, width]), entry(`${prefix}.lora_up.weight`, [width, rank])]
}
