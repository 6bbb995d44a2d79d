import { openWeights } from '../files/openWeights.ts'
import type { PlainValue } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** What an embedding's file tells of its training. */
export interface EmbeddingFacts {
  /** Steps it has been trained for; null where nobody says. */
  readonly step: number | null
  /** The short hash and the name of the checkpoint it was trained on. */
  readonly checkpointHash: string | null
  readonly checkpointName: string | null
}

/** Writes vectors [n, width] as a safetensors file that generation and diffusers read. */
export function writeEmbedding(path: string, { shape, data }: Tensor, facts?: EmbeddingFacts): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const metadata = Object.entries({
    step: facts?.step,
    sd_checkpoint: facts?.checkpointHash,
    sd_checkpoint_name: facts?.checkpointName,
  }).flatMap(([key, value]): [string, string][] => (value === null || value === undefined ? [] : [[key, `${value}`]]))
  writeSafetensors(
    path,
    [{ name: 'emb_params', dtype: 'F32', shape, sizeBytes: bytes.length, location: { bytes } }],
    new Map(metadata),
  )
}

/** What an embedding's file tells of its training, as this program or A1111 wrote it. */
export function readEmbeddingFacts(path: string): EmbeddingFacts {
  try {
    const { values, metadata } = openWeights(path)
    const step = values?.get('step') ?? metadata.get('step')
    const text = (value: PlainValue | undefined) => (typeof value === 'string' && value !== '' ? value : null)
    return {
      step: step === undefined || step === null || !Number.isSafeInteger(Number(step)) ? null : Number(step),
      checkpointHash: text(values?.get('sd_checkpoint') ?? metadata.get('sd_checkpoint')),
      checkpointName: text(values?.get('sd_checkpoint_name') ?? metadata.get('sd_checkpoint_name')),
    }
  } catch {
    // A picture, or a file that cannot be read; what is wrong with it is told when it is used.
    return { step: null, checkpointHash: null, checkpointName: null }
  }
}
