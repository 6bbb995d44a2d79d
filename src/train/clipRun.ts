import { join, resolve } from 'node:path'
import { type Draws, drawsFor, hashOf } from '../dataset/draws.ts'
import { type Content, captionOf, captionWords } from '../dataset/emoji/captions.ts'
import { openPictureStore, type PictureStore } from '../dataset/pictureStore.ts'
import type { Split } from '../dataset/split.ts'
import type { TrainingRow } from '../dataset/trainingRow.ts'
import { picture } from '../image/picture.ts'
import { toPixels } from '../image/pixels.ts'
import { ranksOf, recallAt } from '../metrics/retrieval.ts'
import { openTokenizer } from '../pipeline/openTokenizer.ts'
import { compile } from '../runtime/compile.ts'
import type { Feed, Session } from '../runtime/session.ts'
import { captionReader, tokensOf } from './captionTokens.ts'
import { newTraining } from './checkpoint.ts'
import type { ClipRun } from './clipConfig.ts'
import { clipScoreGraph, clipTrainingGraph, initialClip } from './clipTask.ts'
import { cachedExamples, type ExampleCache } from './exampleCache.ts'
import { optimizerOf } from './optimizers/kinds.ts'
import type { Parameters } from './parameters.ts'
import { type RunEvent, runTraining } from './run.ts'
import { optimizerOptions, type RunPlaces } from './runConfig.ts'
import { drawerOf } from './scenesConfig.ts'
import { sessionsFor } from './sessionsFor.ts'

/** Captions among which a picture's own is looked for. */
const choices = 64

/** Trains a text encoder and a picture encoder to tell which captions and pictures of drawings belong together. */
export async function* trainClip(run: ClipRun, { dataDir, folder, threads }: RunPlaces): AsyncGenerator<RunEvent> {
  const { seed, text, window, picture: tower, embedding, batch } = run
  const model = { text, window, picture: tower, embedding }
  const store = openPictureStore<TrainingRow>(resolve(dataDir, run.data))
  const tokenizer = openTokenizer('clip')
  const vocabulary = tokensOf(captionWords(store.rows), tokenizer)
  const read = captionReader(vocabulary, window, tokenizer)

  const examples = yield* drawnExamples(store, run, 'training', run.examples, join(folder, 'pictures'))
  const count = Math.ceil(run.judge.pictures / choices) * choices
  const judged = yield* drawnExamples(store, run, 'held-out', count, join(folder, 'held-out'))
  const judge = await compile(clipScoreGraph(model, vocabulary.length, choices), { residence: 'mapped', threads })
  const feedsOf = (cache: ExampleCache, numbers: readonly number[], draws: readonly Draws[]) => {
    const captions = numbers.map((number, place) => captionOf(cache.scenes[number]!, draws[place]!))
    const { tokens, ends } = read(captions)
    const { size } = tower
    return {
      pictures: toPixels(numbers.map((number) => picture(3, size, size, cache.read(number)))),
      tokens: { shape: [numbers.length, window], data: tokens },
      ends: { shape: [numbers.length, window], data: ends },
    }
  }
  try {
    yield* runTraining({
      folder,
      fingerprint: JSON.stringify({ seed, model, tokens: hashOf(vocabulary.join(' ')) }),
      constants: [vocabularyEntry(vocabulary)],
      state: newTraining(initialClip(model, vocabulary.length, seed), (parameters) =>
        optimizerOf(run.optimizer, parameters),
      ),
      stages: [
        {
          until: run.steps,
          async open() {
            const graph = clipTrainingGraph(model, vocabulary.length, batch, run.loss, run)
            return {
              sessions: await sessionsFor(graph, run.accumulation, threads),
              samples: batch,
              batch(step, part) {
                const numbers = distinct(examples.scenes, batch, drawsFor(seed, step, part))
                const draws = numbers.map((_, place) => drawsFor(seed, step, part, place))
                return feedsOf(examples, numbers, draws)
              },
            }
          },
        },
      ],
      options: optimizerOptions(run.optimizer, run.steps, run.accumulation),
      checkpointSeconds: run.checkpointSeconds,
      judge: {
        everySteps: run.judge.everySteps,
        async measure({ averages }) {
          const ranks: number[] = []
          for (let from = 0; from < judged.scenes.length; from += choices) {
            const numbers = Array.from({ length: choices }, (_, i) => from + i)
            const draws = numbers.map((number) => drawsFor(seed, number))
            ranks.push(...(await ranksIn(judge, feedsOf(judged, numbers, draws), averages)))
          }
          return { 'R@1': recallAt(ranks, 1), 'R@5': recallAt(ranks, 5) }
        },
      },
    })
  } finally {
    await judge.dispose()
    examples.close()
    judged.close()
    store.close()
  }
}

/** The tokens that the rows of a trained table stand for, as they lie in a checkpoint. */
function vocabularyEntry(vocabulary: readonly number[]) {
  const data = Int32Array.from(vocabulary)
  const bytes = new Uint8Array(data.buffer)
  return {
    name: vocabularyName,
    dtype: 'I32',
    shape: [data.length],
    sizeBytes: bytes.length,
    location: { bytes },
  } as const
}

export const vocabularyName = 'vocabulary'

async function* drawnExamples(
  store: PictureStore<TrainingRow>,
  { seed, data, scenes, picture: { size } }: ClipRun,
  split: Split,
  count: number,
  folder: string,
): AsyncGenerator<RunEvent, ExampleCache> {
  const draw = drawerOf(store, split, scenes, size)
  const key = JSON.stringify({ seed, data, drawings: store.rows.length, split, scenes, size })
  return yield* cachedExamples({
    folder,
    what: `${split} pictures`,
    count,
    recordBytes: 3 * size * size,
    key,
    batch: choices,
    make: async (from, to) => {
      // What is judged together shows different things, of which none could be taken for another.
      const taken = new Set<string>()
      return Array.from({ length: to - from }, (_, i) => {
        for (let attempt = 0; ; attempt++) {
          const { scene, picture: drawn } = draw(drawsFor(seed, from + i, attempt))
          if (split === 'held-out' && attempt < attempts && taken.has(contentOf(scene))) continue
          taken.add(contentOf(scene))
          return { scene, record: drawn.data }
        }
      })
    },
  })
}

const attempts = 50

/** What a picture shows as far as two captions of it must differ from those of another. */
function contentOf(content: Content): string {
  if ('captions' in content) return content.captions[0]!
  const { parts } = content
  return parts.map(({ noun, color, isTurned }) => (isTurned ? `${color} ${noun}` : noun)).join('+')
}

/** Numbers of scenes that show different things: a caption must not fit two pictures of a batch. */
function distinct(scenes: readonly Content[], count: number, draws: Draws): readonly number[] {
  const numbers: number[] = []
  const taken = new Set<string>()
  for (let attempt = 0; numbers.length < count; attempt++) {
    const number = draws.below(scenes.length)
    const content = contentOf(scenes[number]!)
    if (taken.has(content) && attempt < attempts * count) continue
    taken.add(content)
    numbers.push(number)
  }
  return numbers
}

/** The rank of each caption's own picture among all of them, by cosine; 0 is the first. */
async function ranksIn(session: Session, feeds: Readonly<Record<string, Feed>>, parameters: Parameters) {
  const known = session.inputs.flatMap((name) => {
    const parameter = parameters.get(name)
    return parameter ? [[name, parameter] as const] : []
  })
  const { pictureVectors, textVectors } = await session.run({ ...feeds, ...Object.fromEntries(known) })
  return ranksOf(textVectors!, pictureVectors!)
}
