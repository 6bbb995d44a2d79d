import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Command, Option } from 'commander'
import { openSet } from '../dataset/pictureSet.ts'
import { findBlip } from '../dataset/tagging/blip/findBlip.ts'
import { openBlip } from '../dataset/tagging/blip/openBlip.ts'
import { type SelectOptions, selectTags, usualSelection } from '../dataset/tagging/selectTags.ts'
import { openTagger, type Scored } from '../dataset/tagging/tagger.ts'
import { type Conflict, tagSet } from '../dataset/tagging/tagSet.ts'
import { openZeroShot } from '../dataset/tagging/zeroShot.ts'
import { StudioError } from '../errors.ts'
import type { Rgb8 } from '../image/picture.ts'
import { clipOf, findEvaluator, openAnyEvaluator } from '../metrics/findEvaluator.ts'
import { type CaptionOptions, captioningOf, withCaptionOptions } from './captionOptions.ts'
import { captionExtension } from './datasetReport.ts'
import { decimal, wholeNumber } from './numbers.ts'
import { progressBar } from './progressBar.ts'
import { defaultDataDir } from './studioOptions.ts'

interface TagOptions extends CaptionOptions {
  readonly model?: string
  readonly clip?: string
  readonly dataDir: string
  readonly threshold?: number
  readonly characterThreshold: number
  readonly rating: SelectOptions['rating']
  readonly order: SelectOptions['order']
  readonly add?: string
  readonly exclude?: string
  readonly underscores?: boolean
  readonly escape?: boolean
  readonly scores?: boolean
  readonly enlargeSmall?: boolean
  readonly conflict: Conflict
  readonly json?: string
  readonly threads: number
  readonly captionExtension?: string
}

/** `dataset tag`: captions by a model. */
export function tagCommand(): Command {
  const command = new Command('tag')
    .description('Write a caption beside every picture by a local tagger or BLIP, or by a CLIP without one.')
    .argument('<folder>', 'the set')
    .option(
      '--model <path>',
      'WD14, CL or DeepDanbooru tagger: an .onnx file with its list of words beside it; or a BLIP, for sentences: its .pth or .safetensors',
    )
    .option(
      '--clip <folder>',
      'for tags without a tagger: a CLIP as two ONNX files, or a `train clip` run (default: models/CLIP or training/evaluator in the data folder)',
    )
    .addOption(
      new Option('--data-dir <folder>', 'where a CLIP is looked for').env('ATHANOR_DATA_DIR').default(defaultDataDir),
    )
    .option('--threshold <x>', 'least score (default: 0.35; DeepDanbooru and CLIP 0.5)', decimal)
    .option('--character-threshold <x>', 'least score of a character', decimal, usualSelection.thresholds.character)
    .addOption(
      new Option('--rating <where>', 'the likeliest rating').choices(['none', 'first', 'last']).default('none'),
    )
    .addOption(
      new Option('--order <by>', 'order of tags').choices(['score', 'alphabet', 'characters first']).default('score'),
    )
    .option('--add <tags>', 'tags that every picture gets, first')
    .option('--exclude <tags>', 'tags that no picture gets')
    .option('--underscores', 'long_hair, not "long hair"')
    .option('--escape', 'brackets as \\( and \\), for prompts')
    .option('--scores', 'tags as (tag:0.870)')
    .option('--enlarge-small', 'enlarge small pictures, as kohya’s tagger does, instead of padding them white')
    .addOption(
      new Option('--conflict <what>', 'where a caption is there already')
        .choices(['ignore', 'replace', 'append', 'prepend'])
        .default('ignore'),
    )
    .option('--json <file>', 'all scores of all pictures')
    .option('--threads <n>', 'threads to compute with', wholeNumber, availableParallelism())
    .option(...captionExtension)
  return withCaptionOptions(command).action(run)
}

async function run(folder: string, options: TagOptions): Promise<void> {
  const { conflict, json } = options
  const set = openSet(folder, options)
  const raw: Record<string, Record<string, number>> = {}
  let current = ''
  const { tag, dispose } = await openWords(options, (scores) => {
    if (json !== undefined) raw[current] = Object.fromEntries(scores.map((each) => [each.tag, each.score]))
  })
  const bar = progressBar(process.stderr, true)
  const onProgress = (done: number, total: number, name: string) => {
    current = name
    bar.update(done, total, name)
    // Where no bar is drawn, a line now and then says that work goes on.
    if (!process.stderr.isTTY && done % 25 === 0) process.stderr.write(`${done} of ${total}\n`)
  }
  const done = await tagSet(set, { tag, conflict, onProgress }).finally(() => {
    bar.stop()
    return dispose()
  })
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(raw, null, 1)}\n`)
  for (const { problem } of done.failed) process.stdout.write(`left out: ${problem}\n`)
  const { length: passed } = done.passedOver
  process.stdout.write(
    `${done.written.length} captions written${passed > 0 ? `, ${passed} pictures had one (--conflict)` : ''}; \`dataset tags undo\` takes them back.\n`,
  )
}

/** What finds the words for a picture. */
interface Words {
  readonly tag: (source: Rgb8) => Promise<readonly string[]>
  readonly dispose: () => Promise<void>
}

async function openWords(options: TagOptions, onScores: (scores: readonly Scored[]) => void): Promise<Words> {
  const blip = options.model === undefined ? undefined : findBlip(options.model)
  if (blip !== undefined) return openSentences(blip, options)
  const { score, general, dispose } = await openScorer(options)
  const selection: SelectOptions = {
    thresholds: { general: options.threshold ?? general, character: options.characterThreshold },
    rating: options.rating,
    order: options.order,
    add: tagList(options.add),
    exclude: tagList(options.exclude),
    hasSpaces: !options.underscores,
    escapesBrackets: options.escape ?? false,
    hasScores: options.scores ?? false,
  }
  const tag = async (source: Rgb8) => {
    const scores = await score(source)
    onScores(scores)
    return selectTags(scores, selection)
  }
  return { tag, dispose }
}

/** One sentence of a BLIP for each picture, after the tags that every picture gets. */
async function openSentences(path: string, options: TagOptions): Promise<Words> {
  for (const field of ['json', 'scores', 'threshold', 'exclude'] as const) {
    if (options[field] === undefined) continue
    throw new StudioError('bad-request', `--${field}: a BLIP writes sentences and has no scores of words`, { field })
  }
  const { caption, dispose } = await openBlip(path, captioningOf(options), options)
  return { tag: async (source) => [...tagList(options.add), await caption(source)], dispose }
}

/** What says how much each word fits a picture. */
interface Scorer {
  readonly score: (source: Rgb8) => Promise<readonly Scored[]>
  /** The usual threshold. */
  readonly general: number
  readonly dispose: () => Promise<void>
}

async function openScorer({ model, threads, enlargeSmall = false, ...options }: TagOptions): Promise<Scorer> {
  if (model !== undefined) {
    const tagger = await openTagger(model, { threads, enlargesSmall: enlargeSmall })
    return { score: tagger.score, general: tagger.family === 'deepdanbooru' ? 0.5 : 0.35, dispose: tagger.dispose }
  }
  const clip = options.clip ?? findEvaluator(options.dataDir)
  if (clip !== undefined) {
    process.stderr.write(`no tagger is named: words are chosen by the CLIP of ${clip}\n`)
    const towers = clipOf(await openAnyEvaluator(clip, threads))
    return { score: await openZeroShot(towers), general: 0.5, dispose: towers.dispose }
  }
  throw new StudioError(
    'bad-request',
    'expected --model <tagger> or --clip <folder>, since models/CLIP and training/evaluator of the data folder are not there. The checkpoints that pictures are made with hold CLIP’s text tower only, which cannot look at a picture',
    { field: 'model' },
  )
}

function tagList(text = ''): readonly string[] {
  return text
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}
