import { readFileSync } from 'node:fs'
import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import { openTokenizer } from '../../src/pipeline/openTokenizer.ts'
import { mt19937 } from '../../src/tensor/mt19937.ts'
import { torchNormals } from '../../src/tensor/random.ts'
import { zeros } from '../../src/tensor/tensor.ts'
import { captionTokens } from '../../src/train/lora/captionTokens.ts'
import type { LoraBatch } from '../../src/train/lora/learner.ts'
import type { RecordedRun } from './recordedRun.ts'

const folder = new URL('../golden-training/', import.meta.url)
const pictures = new URL('dataset/train/3_foo%20style/', folder)
const scaleFactor = 0.18215

/**
 * The batches of a run of which the first were recorded, drawn as PyTorch drew them. Its generator, seeded with 42, gives
 * a step its noise, then its timesteps, and at the beginning of an epoch the two seeds of the pictures' order; before all
 * that `drawn` numbers went into the network's beginning. The latents of the pictures were drawn once and are recorded.
 */
export function redrawnBatches(run: RecordedRun, drawn: number): (number: number) => LoraBatch {
  const next = numbersAfter(drawn)
  const normal = torchNormals(next)
  const latents = recordedLatents()
  const tokenizer = openTokenizer('clip')
  let epoch = run.steps[0]!.epoch
  const batches = run.steps.map((step): LoraBatch => {
    if (step.epoch > epoch) for (let i = 0; i < 4; i++) next()
    epoch = step.epoch
    const [height, width] = step.target_hw[0]!
    const shape = [step.captions.length, 4, height / 8, width / 8]
    const noise = normal(shape)
    const timesteps = step.timesteps.map(() => next() % 1000)
    const stacked = zeros(shape)
    for (const [i, caption] of step.captions.entries()) {
      stacked.data.set(
        latents.get(caption)!.map((x) => scaleFactor * x),
        (i * stacked.data.length) / step.captions.length,
      )
    }
    const options = { tokenizer, kind: 'clip', chunks: 1, isWeighted: false } as const
    return {
      latents: stacked,
      noise: { noise, mixed: noise },
      timesteps,
      tokens: step.captions.map((caption) => captionTokens(caption, options).tokens),
      lossWeights: step.captions.map(() => 1),
    }
  })
  return (number) => batches[number - 1]!
}

/** Generators that have come so far, and what they gave after, for others that begin there. */
const generators = new Map<number, { readonly next: () => number; readonly numbers: number[] }>()

function numbersAfter(drawn: number): () => number {
  const known = generators.get(drawn)
  const { next, numbers } = known ?? { next: mt19937(42), numbers: [] }
  if (!known) {
    for (let i = 0; i < drawn; i++) next()
    generators.set(drawn, { next, numbers })
  }
  let at = 0
  return () => {
    if (at === numbers.length) numbers.push(next())
    return numbers[at++]!
  }
}

/** The latents drawn of the pictures, by captions, which are all different. */
function recordedLatents(): ReadonlyMap<string, Float32Array> {
  const { entries } = openWeights(new URL('vae/vae.safetensors', folder).pathname)
  return new Map(
    Array.from({ length: 10 }, (_, i) => {
      const stem = `img${String(i).padStart(2, '0')}`
      // The last has no caption of its own, and the folder's name instead.
      const caption =
        i === 9
          ? 'foo style'
          : readFileSync(new URL(`${stem}.txt`, pictures), 'utf8')
              .split('\n')[0]!
              .trim()
      return [caption, readWeight(entries.get(`dataset__train__3_foo style__${stem}.latents`)!).data]
    }),
  )
}
