import { baseInWords, costInWords } from '../planWords.ts'
import { stepCost } from '../stepCost.ts'
import { embeddingGraph } from './graph.ts'
import { graphOptions } from './learner.ts'
import type { PreparedEmbedding } from './prepare.ts'

/** What a person should know before a training begins, in plain words, line by line. */
export async function embeddingPlan(run: PreparedEmbedding, threads: number): Promise<readonly string[]> {
  const { base, learnt, embedding, pictures, batch, schedule, totalSteps, args } = run
  const [count, width] = learnt.vectors.shape as [number, number]
  const distinct = new Set(pictures.map(({ path }) => path)).size
  const repeats = pictures.length === distinct ? '' : `, ${pictures.length} with repeats`
  const behind = embedding.step === 0 ? '' : `, ${embedding.step} steps behind it`
  const largest = pictures
    .map(({ place }) => place.bucket)
    .reduce((most, size) => (size[0] * size[1] > most[0] * most[1] ? size : most))
  const scale = 2 ** (base.config.vae.mult.length - 1)
  const [latentWidth, latentHeight] = [largest[0] / scale, largest[1] / scale]
  const graph = embeddingGraph(graphOptions(run), {
    ...{ batch, height: latentHeight, width: latentWidth },
    ...{ chunks: 1, emphasis: 'none' },
  })
  return [
    baseInWords(base, base.config.prediction),
    `Embedding: "${embedding.name}", ${count} ${count === 1 ? 'vector' : 'vectors'} of ${width} numbers${behind}.`,
    `Data: ${distinct} pictures${repeats}, at most ${largest.join('×')} pixels; texts by ${args.template_filename}.`,
    `Length: ${schedule.batchesPerEpoch} batches of up to ${batch} an epoch, ${schedule.epochs} epochs, to step ${totalSteps}` +
      `${schedule.parts > 1 ? `, ${schedule.parts} batches a step` : ''}.`,
    costInWords(await stepCost(graph, threads), totalSteps - embedding.step),
  ]
}
