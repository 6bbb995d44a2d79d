import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { drawsFor } from '../dataset/draws.ts'
import { captionOf } from '../dataset/emoji/captions.ts'
import { alphasCumprod } from '../diffusion/betas.ts'
import { encodePng } from '../image/encode.ts'
import { gridRows, pictureGrid } from '../image/grid.ts'
import { fromPixels } from '../image/pixels.ts'
import { saveWhole } from '../image/save.ts'
import type { ModelConfig } from '../models/configs.ts'
import type { Session } from '../runtime/session.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'
import type { ReadCaptions } from './captionContexts.ts'
import type { LatentCache } from './latents.ts'
import { type NoisingOptions, noised } from './losses/denoising.ts'
import type { Parameters } from './parameters.ts'
import { streamOf } from './runConfig.ts'
import { contextsOf, samplePrompts } from './samplePrompts.ts'
import type { UnetRun } from './unetConfig.ts'

/** What a noise predictor is judged with. */
export interface Judging {
  readonly judge: Session
  readonly read: ReadCaptions
  readonly averages: Parameters
}

/** Pictures judged at once. */
const judgedAtOnce = 8

/** Mean square errors on held-out pictures with their own caption, with none and with that of another picture. */
export async function judgeErrors(
  { judge: { timesteps, seed } }: UnetRun,
  judged: LatentCache,
  { judge, read, averages, noising }: Judging & { readonly noising: NoisingOptions },
): Promise<Readonly<Record<string, number>>> {
  const count = judged.scenes.length
  const captions = judged.scenes.map((scene, i) => captionOf(scene, drawsFor(seed, i)))
  const kinds: Readonly<Record<string, (i: number) => string>> = {
    'error right caption': (i) => captions[i]!,
    'error no caption': () => '',
    'error wrong caption': (i) => captions[(i + 1) % count]!,
  }
  const sums = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, 0]))
  for (const [round, timestep] of timesteps.entries()) {
    for (let from = 0; from < count; from += judgedAtOnce) {
      const numbers = Array.from({ length: Math.min(judgedAtOnce, count - from) }, (_, i) => from + i)
      const stream = streamOf(seed, from, round)
      const { noisy, target } = noised(
        judged.latents(numbers),
        numbers.map(() => timestep),
        stream,
        noising,
      )
      for (const [kind, caption] of Object.entries(kinds)) {
        const { prediction } = await judge.run({
          latent: noisy,
          timesteps: { shape: [numbers.length], data: new Float32Array(numbers.length).fill(timestep) },
          context: await read(numbers.map(caption)),
          ...Object.fromEntries(averages),
        })
        sums[kind]! += meanSquare(prediction!, target) * (numbers.length / (count * timesteps.length))
      }
    }
  }
  return sums
}

function meanSquare(a: Tensor, b: Tensor): number {
  let sum = 0
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2
  return sum / a.data.length
}

/** Where the sheet of a step is kept. */
export function sheetPath(folder: string, step: number): string {
  return join(folder, 'sheets', `${`${step}`.padStart(6, '0')}.png`)
}

/** Saves what the averaged model makes of the judge's prompts. */
export async function saveSheet(
  { prediction, judge: { prompts, samplingSteps: steps, cfgScale, seed } }: UnetRun,
  config: ModelConfig,
  {
    judge,
    decoder,
    read,
    averages,
    path,
    side,
  }: Judging & { readonly decoder: Session; readonly path: string; readonly side: number },
): Promise<void> {
  const contexts = contextsOf(await read([...prompts, '']))
  const latents = await samplePrompts({
    async predict(x, timestep, asked) {
      const { prediction: predicted } = await judge.run({
        latent: x,
        timesteps: { shape: [asked.length], data: new Float32Array(asked.length).fill(timestep) },
        context: stack(asked.map(({ context: { shape, data } }) => ({ shape: [1, ...shape], data }))),
        ...Object.fromEntries(averages),
      })
      return predicted!
    },
    prediction,
    alphasCumprod: alphasCumprod(config.betas),
    contexts: contexts.slice(0, -1),
    empty: contexts.at(-1)!,
    shape: [config.vae.latentChannels, side, side],
    steps,
    cfgScale,
    seed,
  })
  const pictures = []
  for (let i = 0; i < prompts.length; i++) {
    const { picture } = await decoder.run({ latent: rows(latents, i, i + 1) })
    pictures.push(...fromPixels(picture!))
  }
  mkdirSync(join(path, '..'), { recursive: true })
  await saveWhole(path, await encodePng(pictureGrid(pictures, gridRows(pictures.length, 'square', pictures.length))))
}
