import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { drawsFor } from '../dataset/draws.ts'
import { captionOf } from '../dataset/emoji/captions.ts'
import { openPictureStore, type PictureStore } from '../dataset/pictureStore.ts'
import { sourcesOf } from '../dataset/sources.ts'
import type { Split } from '../dataset/split.ts'
import type { TrainingRow } from '../dataset/trainingRow.ts'
import { alphasCumprod } from '../diffusion/betas.ts'
import { StudioError } from '../errors.ts'
import { sha256 } from '../files/hash.ts'
import type { WeightEntry } from '../files/weights.ts'
import type { ModelConfig, UnetConfig, VaeConfig } from '../models/configs.ts'
import { sd1 } from '../models/configs.ts'
import { decoderGraph, encoderGraph, textGraph } from '../models/graphs.ts'
import { unetLayout } from '../models/layout.ts'
import { openTokenizer } from '../pipeline/openTokenizer.ts'
import { compile } from '../runtime/compile.ts'
import { sameShape } from '../tensor/shape.ts'
import { chunkLength } from '../text/chunks.ts'
import { readBaseModel } from './baseModel.ts'
import { captionEncoder, type ReadCaptions } from './captionContexts.ts'
import { entryOf, newTraining } from './checkpoint.ts'
import { openParts, readTrainedText, readTrainedVae, whitened, writeParts } from './frozenParts.ts'
import { cachedLatents, type LatentCache, measureLatents } from './latents.ts'
import { type NoisingOptions, noised } from './losses/denoising.ts'
import { optimizerOf } from './optimizers/kinds.ts'
import type { Parameters } from './parameters.ts'
import { checkpointPath, type RunEvent, runTraining } from './run.ts'
import { optimizerOptions, type RunPlaces, streamOf } from './runConfig.ts'
import { drawerOf } from './scenesConfig.ts'
import { sessionsFor } from './sessionsFor.ts'
import { modelConfigOf, type UnetRun } from './unetConfig.ts'
import { judgeErrors, saveSheet, sheetPath } from './unetJudge.ts'
import { initialUnet, unetPredictionGraph, unetTrainingGraph } from './unetTask.ts'

/** Where a run keeps the parts it was started with. */
export function partsPath(folder: string): string {
  return join(folder, 'parts.safetensors')
}

const residence = 'mapped'

/** Trains a noise predictor on latents of drawn scenes and their captions. */
export async function* trainUnet(run: UnetRun, places: RunPlaces): AsyncGenerator<RunEvent> {
  const { folder, threads, dataDir } = places
  const store = openPictureStore<TrainingRow>(resolve(dataDir, run.data))
  const open: { dispose(): Promise<void> | void }[] = [{ dispose: store.close }]
  const kept = <T extends { dispose(): Promise<void> | void }>(session: T): T => {
    open.push(session)
    return session
  }
  try {
    if (!existsSync(partsPath(folder))) {
      yield { kind: 'prepared', what: 'parts', done: 0, total: 1 }
      await freezeParts(run, places, store)
    }
    const parts = openParts(partsPath(folder))
    const config = modelConfigOf(run, parts)
    const { weights } = parts
    const side = latentSide(store.size, config.vae)
    const identity = await sha256(parts.path)

    const encoders = await sessionsFor(encoderGraph(config, { weights }), threads, threads)
    encoders.forEach(kept)
    // Captions are read while a step before is computed, by threads that have enough to do.
    const reading = { residence, threads: 1, isAside: true } as const
    const text = kept(await compile(textGraph(config, { weights }, { skip: 0 }), reading))
    const read = captionEncoder(text, config.text.width, openTokenizer('clip'))
    const latents = (split: Split, count: number, name: string) =>
      cachedLatents({
        folder: join(folder, name),
        what: `${split} latents`,
        count,
        key: JSON.stringify({ identity, seed: run.seed, scenes: run.scenes, split, drawings: store.rows.length }),
        seed: run.seed,
        draw: drawerOf(store, split, run.scenes, store.size),
        encoders,
        shape: [config.vae.latentChannels, side, side],
      })
    const examples = yield* latents('training', run.examples, 'latents')
    open.push({ dispose: examples.close })
    const judged = yield* latents('held-out', run.judge.pictures, 'held-out')
    open.push({ dispose: judged.close })
    const judge = kept(
      await compile(unetPredictionGraph(config.unet, { side, tokens: chunkLength }), { residence, threads }),
    )
    const decoder = kept(await compile(decoderGraph(config, { weights }), { residence, threads }))

    const noising = noisingOf(run, config)
    const { seed, batch, steps, optimizer } = run
    yield* runTraining({
      folder,
      fingerprint: JSON.stringify({
        seed,
        model: run.model,
        prediction: run.prediction,
        // Said only where it holds, as runs from before it existed go on.
        ...(run.zeroTerminalSnr && { zeroTerminalSnr: true }),
        size: store.size,
        parts: identity,
      }),
      state: newTraining(beginning(run, config.unet, places), (parameters) => optimizerOf(optimizer, parameters)),
      stages: [
        {
          until: steps,
          async open() {
            const graph = unetTrainingGraph(config.unet, { batch, side, tokens: chunkLength }, run)
            return {
              sessions: await sessionsFor(graph, run.accumulation, threads),
              samples: batch,
              batch: (step, part) => batchOf(run, examples, read, noising, step, part),
            }
          },
        },
      ],
      options: optimizerOptions(optimizer, steps, run.accumulation),
      checkpointSeconds: run.checkpointSeconds,
      judge: {
        everySteps: run.judge.everySteps,
        async measure({ step, averages }) {
          await saveSheet(run, config, { judge, decoder, read, averages, path: sheetPath(folder, step), side })
          return judgeErrors(run, judged, { judge, read, averages, noising })
        },
      },
    })
  } finally {
    for (const each of open.reverse()) await each.dispose()
  }
}

/** Scenes by which the latents' means and deviations are measured. */
const measuredScenes = 512

/** Takes the parts as their runs have left them, and brings the latents to mean 0 and deviation 1. */
async function freezeParts(run: UnetRun, { dataDir, folder, threads }: RunPlaces, store: PictureStore<TrainingRow>) {
  mkdirSync(folder, { recursive: true })
  if (run.base !== undefined) return writeParts(partsPath(folder), readBaseModel(resolve(dataDir, run.base)).parts)
  const text = readTrainedText(resolve(dataDir, required(run, 'text')))
  const vae = readTrainedVae(resolve(dataDir, required(run, 'autoencoder')))
  const weights = new Map<string, WeightEntry>([...vae.weights].map(([name, x]) => [name, entryOf(name, x)]))
  const encoder = await compile(encoderGraph({ ...sd1, vae: vae.config }, { weights }), { residence, threads })
  try {
    const draw = drawerOf(store, 'training', run.scenes, store.size)
    const statistics = await measureLatents(encoder, draw, (index) => drawsFor(run.seed, index, -1), measuredScenes)
    writeParts(partsPath(folder), {
      text,
      vae: { config: vae.config, weights: whitened(vae.weights, statistics) },
      sources: sourcesOf(store.rows),
    })
  } finally {
    await encoder.dispose()
  }
}

function required(run: UnetRun, field: 'text' | 'autoencoder'): string {
  const folder = run[field]
  if (folder !== undefined) return folder
  throw new StudioError('bad-request', `${field} is missing, which a run without a base needs`, { field })
}

/** The noise predictor a run begins with: that of its base, or one that has learnt nothing. */
function beginning({ base, seed }: UnetRun, config: UnetConfig, { dataDir, folder }: RunPlaces): Parameters {
  if (base === undefined || existsSync(checkpointPath(folder))) return initialUnet(config, seed)
  const { unet } = readBaseModel(resolve(dataDir, base))
  return new Map(
    [...unetLayout(config)].map(([name, shape]) => {
      const found = unet.get(name)
      if (found && sameShape(found.shape, shape)) return [name, found]
      const problem = `${name} is [${found?.shape}] in it, and [${shape}] in the model of this run`
      throw new StudioError('bad-request', `${base}: ${problem}`, { field: 'base' })
    }),
  )
}

function latentSide(pictureSide: number, { mult }: VaeConfig): number {
  return pictureSide / 2 ** (mult.length - 1)
}

function noisingOf({ prediction, noiseOffset, minSnr }: UnetRun, { betas }: ModelConfig): NoisingOptions {
  return {
    alphasCumprod: alphasCumprod(betas),
    target: prediction,
    noiseOffset,
    minSnr: minSnr === 0 ? undefined : minSnr,
  }
}

async function batchOf(
  { seed, batch, captionDropout }: UnetRun,
  examples: LatentCache,
  read: ReadCaptions,
  noising: NoisingOptions,
  step: number,
  part: number,
) {
  const draws = Array.from({ length: batch }, (_, place) => drawsFor(seed, step, part, place))
  const numbers = draws.map((own) => own.below(examples.scenes.length))
  const captions = draws.map((own, i) =>
    own.chance(captionDropout) ? '' : captionOf(examples.scenes[numbers[i]!]!, own),
  )
  // One timestep in each of `batch` equal spans: the loss of a step then varies less from step to step.
  const total = noising.alphasCumprod.length
  const timesteps = draws.map((own, i) => Math.floor((total * (i + own.between(0, 1))) / batch))
  const { noisy, target, weights } = noised(examples.latents(numbers), timesteps, streamOf(seed, step, part), noising)
  return {
    latent: noisy,
    timesteps: { shape: [batch], data: Float32Array.from(timesteps) },
    context: await read(captions),
    target,
    weights,
  }
}
