import { expect, test } from 'vitest'
import { openWeights } from '../../files/openWeights.ts'
import { readSidecars } from '../../files/sidecars.ts'
import { detectModel } from '../../models/detect.ts'
import { openTokenizer } from '../../pipeline/openTokenizer.ts'
import { compile } from '../../runtime/compile.ts'
import type { Feed } from '../../runtime/session.ts'
import { normalStream } from '../../tensor/random.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { chunkPrompt } from '../../text/chunks.ts'
import { indexEmbeddings } from '../../text/embeddings.ts'
import { type EmbeddingBatchSize, embeddingGraph } from './graph.ts'
import { textFeeds } from './textFeeds.ts'

const models = new URL('../../../test/golden/models/', import.meta.url).pathname
const side = 8

/** A step on a recorded model, and its loss and gradient as functions of the vectors. */
async function step(
  checkpoint: string,
  texts: readonly string[],
  { emphasis, recomputes = false }: { emphasis: EmbeddingBatchSize['emphasis']; recomputes?: boolean },
) {
  const normal = normalStream('cpu', 3)
  const path = `${models}${checkpoint}.safetensors`
  const { config, weights } = detectModel(openWeights(path), readSidecars(path))
  const { kind, width, skippedLayers } = config.text
  const vectors = { shape: [2, width], data: normal([2, width]).data.map((x) => x * 0.05) }
  const tokenizer = openTokenizer(kind)
  const embeddings = indexEmbeddings([{ name: 'zkz', vectors }], tokenizer)
  const reading = { tokenizer, embeddings, emphasis: 'Original', commaBacktrack: 20 } as const
  const fed = textFeeds(
    texts.map((text) => chunkPrompt(text, reading)),
    { vectors: 2, kind, isWeighed: emphasis !== 'none' },
  )
  const batch = texts.length
  const feeds: Record<string, Feed> = {
    ...fed,
    noisy: normal([batch, 4, side, side]),
    target: normal([batch, 4, side, side]),
    mask: { shape: [batch, 1, side, side], data: normal([batch, 1, side, side]).data.map(Math.abs) },
    timesteps: { shape: [batch], data: Float32Array.from(texts, (_, i) => 700 - 300 * i) },
    weights: { shape: [batch], data: new Float32Array(batch).fill(1 / batch) },
  }
  const options = { config, weights, vectors: 2, skip: kind === 'clip' ? 1 : skippedLayers, isMasked: true, recomputes }
  const size = { batch, height: side, width: side, chunks: fed.tokens!.shape[0]! / batch, emphasis }
  const session = await compile(embeddingGraph(options, size), { residence: 'mapped', threads: 1 })
  return { vectors, run: (at: Tensor) => session.run({ ...feeds, vectors: at }), dispose: () => session.dispose() }
}

test.each([
  ['tiny-sd1', ['(zkz:1.4) in the (snow) BREAK zkz, again', 'zkz [here]'], 'balanced'],
  ['tiny-sd1', ['(zkz:1.4) in the (snow)'], 'weighed'],
  ['tiny-sd2v', ['a photo of zkz, blue'], 'none'],
] as const)(
  '%s, %j, %s: the gradient of the vectors is that of central differences',
  async (checkpoint, texts, emphasis) => {
    const { vectors, run, dispose } = await step(checkpoint, texts, { emphasis })
    const gradient = (await run(vectors))['d vectors']!.data
    const length = Math.hypot(...gradient)
    expect(length).toBeGreaterThan(1e-4)
    // Along the gradient, where the difference is largest, and along a random direction of each vector.
    const half = gradient.length / 2
    const random = normalStream('cpu', 4)([2, half]).data
    const directions = [
      gradient.map((x) => x / length),
      ...[0, 1].map((row) => {
        const own = random.map((x, i) => (Math.floor(i / half) === row ? x : 0))
        const norm = Math.hypot(...own)
        return own.map((x) => x / norm)
      }),
    ]
    const lossAt = async (direction: Float32Array, by: number) => {
      const data = vectors.data.map((x, i) => x + by * direction[i]!)
      return (await run({ shape: vectors.shape, data })).loss!.data[0]!
    }
    for (const direction of directions) {
      const expected = gradient.reduce((sum, x, i) => sum + x * direction[i]!, 0)
      const [h, twice] = [0.01, 0.02]
      const slope = async (by: number) => ((await lossAt(direction, by)) - (await lossAt(direction, -by))) / (2 * by)
      // Richardson's extrapolation takes the curvature out.
      const measured = (4 * (await slope(h)) - (await slope(twice))) / 3
      expect(Math.abs(measured - expected)).toBeLessThan(0.01 * length)
    }
    await dispose()
  },
)

test('gradient_checkpointing: the same gradient to the bit', async () => {
  const [kept, anew] = [false, true].map((recomputes) => step('tiny-sd1', ['zkz'], { emphasis: 'none', recomputes }))
  const results = []
  for (const each of [await kept!, await anew!]) {
    results.push((await each.run((await kept!).vectors))['d vectors'])
    await each.dispose()
  }
  expect(results[1]).toEqual(results[0])
})
