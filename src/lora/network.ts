import type { WeightEntry } from '../files/weights.ts'

/** A LoRA-like file whose header has been read: what it changes, by the names it uses itself. */
export interface Network {
  /** The file's name without extension. */
  readonly name: string
  readonly path: string
  readonly metadata: ReadonlyMap<string, string>
  readonly modules: readonly NetworkModule[]
  /** Textual inversions that travel with the network, by trigger: the tensors of `string_to_param`. */
  readonly embeddings: ReadonlyMap<string, ReadonlyMap<string, WeightEntry>>
  /** Tensors whose names say nothing to this program. */
  readonly unknown: readonly string[]
}

/** The tensors of one layer. */
export interface NetworkModule {
  /** The model's layer, in the spelling of `layerNames`: `unet_down_blocks_0_…`, `text_encoder_layers_0_…`. */
  readonly name: string
  readonly family: Family
  /** By part: `lora_up`, `hada_w1_a`, `alpha`, … */
  readonly tensors: ReadonlyMap<string, WeightEntry>
}

export type Family = 'lora' | 'loha' | 'lokr' | 'ia3' | 'full' | 'norm' | 'oft' | 'boft' | 'glora'
