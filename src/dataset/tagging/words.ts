import { StudioError } from '../../errors.ts'
import type { Rgb8 } from '../../image/picture.ts'
import { findBlip } from './blip/findBlip.ts'
import { type Captioning, openBlip } from './blip/openBlip.ts'
import type { Clip } from './clip.ts'
import { type SelectOptions, selectTags } from './selectTags.ts'
import { openTagger, type Scored } from './tagger.ts'
import { openZeroShot } from './zeroShot.ts'

/** What finds the words for a picture. */
export interface Words {
  readonly tag: (source: Rgb8) => Promise<readonly string[]>
  readonly dispose: () => Promise<void>
}

export interface WordsAsked {
  /** A tagger or a BLIP, by its file or folder. */
  readonly model: string | undefined
  /** Opens the CLIP that chooses words where no model is named; undefined where there is none. */
  readonly clip: (() => Promise<Clip>) | undefined
  readonly threads: number
  /** Whether WD14 enlarges small pictures instead of putting them on a white square. */
  readonly enlargesSmall: boolean
  /** Which scored words are taken; a general threshold that is undefined is the model's usual one. */
  readonly selection: Omit<SelectOptions, 'thresholds'> & {
    readonly thresholds: { readonly general: number | undefined; readonly character: number }
  }
  readonly captioning: Captioning
  /** Told of all scores of a picture, where the model has any. */
  readonly onScores?: ((scores: readonly Scored[]) => void) | undefined
}

/** Opens a tagger, a BLIP or a CLIP to write captions with. */
export async function openWords(asked: WordsAsked): Promise<Words> {
  const { model, threads, selection, captioning, onScores } = asked
  const blip = model === undefined ? undefined : findBlip(model)
  if (blip !== undefined) {
    refuseScores(asked)
    const { caption, dispose } = await openBlip(blip, captioning, { threads })
    return { tag: async (source) => [...selection.add, await caption(source)], dispose }
  }
  const { score, general, dispose } = await openScorer(asked)
  const thresholds = { general: selection.thresholds.general ?? general, character: selection.thresholds.character }
  const tag = async (source: Rgb8) => {
    const scores = await score(source)
    onScores?.(scores)
    return selectTags(scores, { ...selection, thresholds })
  }
  return { tag, dispose }
}

/** What is asked of scores cannot be had of sentences. */
function refuseScores({ selection, onScores }: WordsAsked): void {
  const asked: Readonly<Record<string, boolean>> = {
    json: onScores !== undefined,
    scores: selection.hasScores,
    threshold: selection.thresholds.general !== undefined,
    exclude: selection.exclude.length > 0,
  }
  const field = Object.keys(asked).find((name) => asked[name])
  if (field === undefined) return
  throw new StudioError('bad-request', `${field}: a BLIP writes sentences and has no scores of words`, { field })
}

/** What says how much each word fits a picture. */
interface Scorer {
  readonly score: (source: Rgb8) => Promise<readonly Scored[]>
  /** The usual threshold. */
  readonly general: number
  readonly dispose: () => Promise<void>
}

async function openScorer({ model, clip, threads, enlargesSmall }: WordsAsked): Promise<Scorer> {
  if (model !== undefined) {
    const tagger = await openTagger(model, { threads, enlargesSmall })
    return { score: tagger.score, general: tagger.family === 'deepdanbooru' ? 0.5 : 0.35, dispose: tagger.dispose }
  }
  if (clip) {
    const towers = await clip()
    return { score: await openZeroShot(towers), general: 0.5, dispose: towers.dispose }
  }
  throw new StudioError(
    'bad-request',
    'model: expected a tagger, a BLIP or a CLIP, since models/CLIP and training/evaluator of the data folder are not there. The checkpoints that pictures are made with hold CLIP’s text tower only, which cannot look at a picture',
    { field: 'model' },
  )
}
