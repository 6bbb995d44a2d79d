import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Command, Option } from 'commander'
import { openSet } from '../dataset/pictureSet.ts'
import type { Clip } from '../dataset/tagging/clip.ts'
import { type SelectOptions, usualSelection } from '../dataset/tagging/selectTags.ts'
import type { Scored } from '../dataset/tagging/tagger.ts'
import { type Conflict, tagSet } from '../dataset/tagging/tagSet.ts'
import { openWords, type WordsAsked } from '../dataset/tagging/words.ts'
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
  const onScores = (scores: readonly Scored[]) => {
    raw[current] = Object.fromEntries(scores.map((each) => [each.tag, each.score]))
  }
  const { tag, dispose } = await openWords(wordsAsked(options, json === undefined ? undefined : onScores))
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

function wordsAsked(options: TagOptions, onScores: WordsAsked['onScores']): WordsAsked {
  const { model, threads, enlargeSmall = false } = options
  const clip = options.clip ?? findEvaluator(options.dataDir)
  return {
    model,
    clip: clip === undefined ? undefined : () => openClipOf(clip, threads),
    threads,
    enlargesSmall: enlargeSmall,
    selection: {
      thresholds: { general: options.threshold, character: options.characterThreshold },
      rating: options.rating,
      order: options.order,
      add: tagList(options.add),
      exclude: tagList(options.exclude),
      hasSpaces: !options.underscores,
      escapesBrackets: options.escape ?? false,
      hasScores: options.scores ?? false,
    },
    captioning: captioningOf(options),
    onScores,
  }
}

async function openClipOf(folder: string, threads: number): Promise<Clip> {
  process.stderr.write(`no tagger is named: words are chosen by the CLIP of ${folder}\n`)
  return clipOf(await openAnyEvaluator(folder, threads))
}

function tagList(text = ''): readonly string[] {
  return text
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}
