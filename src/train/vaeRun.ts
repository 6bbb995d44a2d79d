import { resolve } from 'node:path'
import { judgedPictures, pictureBatches } from '../dataset/emoji/pictureDraws.ts'
import { openPictureStore } from '../dataset/pictureStore.ts'
import type { Split } from '../dataset/split.ts'
import type { TrainingRow } from '../dataset/trainingRow.ts'
import type { Rgb8 } from '../image/picture.ts'
import { toPixels } from '../image/pixels.ts'
import { compile } from '../runtime/compile.ts'
import type { Session } from '../runtime/session.ts'
import { newTraining } from './checkpoint.ts'
import { optimizerOf } from './optimizers/kinds.ts'
import type { Parameters } from './parameters.ts'
import { type RunEvent, runTraining, type Stage } from './run.ts'
import { optimizerOptions, type RunPlaces, streamOf } from './runConfig.ts'
import { sessionsFor } from './sessionsFor.ts'
import type { VaeRun } from './vaeConfig.ts'
import { initialVae, vaeReconstructionGraph, vaeTrainingGraph } from './vaeTask.ts'

/** Trains an autoencoder on a store of drawings. */
export async function* trainVae(run: VaeRun, { dataDir, folder, threads }: RunPlaces): AsyncGenerator<RunEvent> {
  const { model, optimizer, seed } = run
  const store = openPictureStore<TrainingRow>(resolve(dataDir, run.data))
  const residence = 'mapped'
  const judge = await compile(vaeReconstructionGraph(model, store.size), { residence, threads })
  const judged = (split: Split) => judgedPictures(store, split, run.judge.pictures)
  const [heldOut, otherStyle] = [judged('held-out'), judged('other-style')]
  let until = 0
  const stages = run.stages.map(({ steps, batch, size }): Stage => {
    until += steps
    const pictures = pictureBatches(store, { batch, size, seed })
    const latentSide = size / 2 ** (model.mult.length - 1)
    return {
      until,
      async open() {
        const graph = vaeTrainingGraph(model, { batch, size }, run.loss, run)
        return {
          sessions: await sessionsFor(graph, run.accumulation, threads),
          samples: batch,
          batch(step, part) {
            const noise = streamOf(seed, step, part)
            return {
              pictures: pictures(step, part),
              noise: noise([batch, model.latentChannels, latentSide, latentSide]),
            }
          },
        }
      },
    }
  })
  try {
    yield* runTraining({
      folder,
      fingerprint: JSON.stringify({ seed, model }),
      state: newTraining(initialVae(model, seed), (parameters) => optimizerOf(optimizer, parameters)),
      stages,
      options: optimizerOptions(optimizer, until, run.accumulation),
      checkpointSeconds: run.checkpointSeconds,
      judge: {
        everySteps: run.judge.everySteps,
        async measure({ averages }) {
          const known = await reconstruct(judge, heldOut, averages)
          const values = { 'PSNR held out': known.psnr, 'latent deviation': known.deviation }
          if (otherStyle.length === 0) return values
          const unknown = await reconstruct(judge, otherStyle, averages)
          return { ...values, 'PSNR other style': unknown.psnr }
        },
      },
    })
  } finally {
    await judge.dispose()
    store.close()
  }
}

const judgedAtOnce = 4

/** Mean over pictures of 10·log₁₀(4/mean square error), as values span −1…1, and the deviation of the latents. */
async function reconstruct(session: Session, all: readonly Rgb8[], parameters: Parameters) {
  let decibels = 0
  let squares = 0
  let count = 0
  for (let from = 0; from < all.length; from += judgedAtOnce) {
    const pictures = toPixels(all.slice(from, from + judgedAtOnce))
    const { reconstructions, means } = await session.run({ pictures, ...Object.fromEntries(parameters) })
    const size = pictures.data.length / pictures.shape[0]!
    for (let start = 0; start < pictures.data.length; start += size) {
      let error = 0
      for (let i = start; i < start + size; i++) {
        const shown = Math.min(1, Math.max(-1, reconstructions!.data[i]!))
        error += (shown - pictures.data[i]!) ** 2
      }
      decibels += 10 * Math.log10((4 * size) / error)
    }
    for (const x of means!.data) squares += x * x
    count += means!.data.length
  }
  return { psnr: decibels / all.length, deviation: Math.sqrt(squares / count) }
}
