import { sizeOf } from '../../tensor/shape.ts'
import { inBuckets } from '../batches.ts'
import { baseInWords, costInWords, millions } from '../planWords.ts'
import { stepCost } from '../stepCost.ts'
import { hasDropout } from './dropout.ts'
import { loraGraph } from './graph.ts'
import type { PreparedRun } from './prepare.ts'

/** What a person should know before a training begins, in plain words, line by line. */
export async function preflight(run: PreparedRun, threads: number): Promise<readonly string[]> {
  const { base, modules, data, datasets, schedule, args, settings, learnt, network } = run
  const count = (model: 'text' | 'unet') => modules.filter(({ layer }) => layer.model === model).length
  const all = data.datasets.flatMap(({ train }) => train)
  const pictures = new Set(all.filter(({ subset }) => !subset.isRegularization).map(({ path }) => path)).size
  const validation = data.datasets.reduce((sum, dataset) => sum + dataset.validation.length, 0)
  const batch = Math.max(...datasets.map(({ batch: size }) => size))
  const numbers = learnt.reduce((sum, name) => sum + sizeOf(network.get(name)!.shape), 0)
  const lines = [
    baseInWords(base, run.model.prediction),
    `Network: ${settings.network.family} of rank ${settings.network.dim}, alpha ${settings.network.alpha}; ` +
      `text encoder: ${count('text')} modules, U-Net: ${count('unet')} modules, ${millions(numbers)} numbers learn.`,
    `Data: ${pictures} pictures, ${all.length} with repeats${validation > 0 ? `, ${validation} more to judge by` : ''}.`,
    ...[...inBuckets(all)].map(([size, placed], i) => `  bucket ${i}: resolution ${size}, count ${placed.length}`),
    `Length: ${schedule.batchesPerEpoch} batches of up to ${batch} an epoch, ${schedule.epochs} epochs, ${schedule.totalSteps} steps` +
      `${args.gradient_accumulation_steps > 1 ? ` of ${args.gradient_accumulation_steps} batches` : ''}.`,
  ]
  const small = [...inBuckets(all)].filter(([, placed]) => placed.length < batch)
  if (small.length > 0)
    lines.push(`  ${small.length} of the buckets never fill a batch of ${batch}; their pictures count more.`)
  if (pictures < 10) lines.push(`  ${pictures} pictures are few: 15 at least and 20 to 50 are usual.`)

  lines.push(costInWords(await estimate(run, batch, threads), schedule.totalSteps))
  return lines
}

/** Time and memory of a step of the largest bucket, from what its graph multiplies and this machine's speed. */
async function estimate({ model, modules, settings, data, isMasked }: PreparedRun, batch: number, threads: number) {
  const sizes = [...inBuckets(data.datasets.flatMap(({ train }) => train)).values()].map(
    ([picture]) => picture!.place.bucket,
  )
  const [width, height] = sizes.reduce((largest, size) =>
    size[0] * size[1] > largest[0] * largest[1] ? size : largest,
  )
  const scale = 2 ** (model.config.vae.mult.length - 1)
  const graph = loraGraph(
    {
      config: model.config,
      weights: model.weights,
      modules,
      hasDropout: hasDropout(settings.dropout),
      loss: settings.loss,
      isMasked,
      recomputes: settings.recomputes,
      text: { ...settings.text, isInside: modules.some(({ layer }) => layer.model === 'text') },
    },
    { batch, height: height / scale, width: width / scale },
  )
  return stepCost(graph, threads)
}
