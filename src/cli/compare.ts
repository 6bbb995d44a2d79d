import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { savedVersions, strengthAxis, strengthWord, versionAxis, withNetworkTag } from '../compare/axis.ts'
import { type ComparisonResult, compareVersions } from '../compare/compare.ts'
import { includedPictures, openSet } from '../dataset/pictureSet.ts'
import { shrunkTo } from '../dataset/quality/measures.ts'
import { StudioError } from '../errors.ts'
import { readSmallText } from '../files/smallText.ts'
import { flatten } from '../image/channels.ts'
import { decodePicture } from '../image/decode.ts'
import { encodePng } from '../image/encode.ts'
import type { Rgb8 } from '../image/picture.ts'
import { saveWhole } from '../image/save.ts'
import { findEvaluator, openAnyEvaluator } from '../metrics/findEvaluator.ts'
import { onInterrupt } from './interrupt.ts'
import { wholeNumber } from './numbers.ts'
import { progressBar } from './progressBar.ts'
import { addRecipeOptions, writeRecipeOptions } from './recipeOptions.ts'
import { addStudioOptions, type StudioOptions, studioOf } from './studioOptions.ts'

interface CompareOptions extends StudioOptions {
  readonly lora?: string
  readonly versions?: string
  readonly strengths: string
  readonly prompts?: string
  readonly negative?: string
  readonly seed?: number
  readonly seeds: number
  readonly dataset?: string
  readonly evaluator?: string
  readonly out: string
  readonly pictures?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** What pictures are made with where nobody says otherwise: the web UI's settings. */
const defaults = { steps: 20, sampler_name: 'DPM++ 2M' }

/** Training pictures are looked at in this size at most: judges see them smaller still. */
const trainingSide = 512

/** `compare`: which version of a network, at which strength. */
export function compareCommand(): Command {
  const command = new Command('compare')
    .description(
      'Paint versions and strengths of a LoRA side by side, measure every cell, and say which is best and why.',
    )
    .argument(
      '[prompts...]',
      'prompts, with words that stand for version and strength: "a cat <lora:aki-NUM:STRENGTH>"',
    )
    .option('--lora <name>', 'compare every version of this name in models/Lora: name-000001, …, name')
    .option('--versions <list>', 'the word for a version, and what takes its place: NUM,000001,000002')
    .option(
      '--strengths <list>',
      'the same of strengths; ranges as 0.1-1 (+0.1) or 0..1 step 0.1',
      `${strengthWord},0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1`,
    )
    .option('--prompts <file>', 'more prompts, one a line')
    .option(
      '--seeds <n>',
      'paint each prompt with so many seeds, counted up from --seed (default there: 1)',
      wholeNumber,
      1,
    )
    .option('--dataset <folder>', 'the training pictures: what the network should come near to, and not repeat')
    .option(
      '--evaluator <folder>',
      'the judge: a `train clip` run, or a CLIP as two ONNX files (default: models/CLIP or training/evaluator in the data folder)',
    )
    .option('-o, --out <dir>', 'folder for grid.png, report.json and report.html', 'compared')
    .option('--pictures', 'every single picture as well, below pictures/')
    .option('--json', 'print the report as JSON')
    .option('-q, --quiet', 'no progress bar')
  addRecipeOptions(command)
  addStudioOptions(command)
  return command.action(run)
}

async function run(given: readonly string[], options: CompareOptions): Promise<void> {
  const { lora, versions, seeds, evaluator: judge, out, threads = availableParallelism() } = options
  const signal = onInterrupt()
  const studio = studioOf(options)
  try {
    if ((lora === undefined) === (versions === undefined)) {
      throw new StudioError('bad-request', 'expected --lora NAME or --versions NUM,000001,…', { field: 'lora' })
    }
    const axes = {
      versions: lora === undefined ? versionAxis(versions ?? '', 'versions') : savedVersions(studio.library, lora),
      strengths: strengthAxis(options.strengths, 'strengths'),
    }
    const prompts = [...given, ...(options.prompts === undefined ? [] : linesOf(options.prompts))]
    if (prompts.length === 0) {
      throw new StudioError('bad-request', 'a prompt is missing: athanor compare "a red apple" --lora style', {
        field: 'prompts',
      })
    }
    const first = options.seed === undefined || options.seed < 0 ? 1 : options.seed
    const body = writeRecipeOptions({ ...defaults }, options as unknown as Readonly<Record<string, unknown>>)
    const folder = judge === undefined ? findEvaluator(studio.dataDir) : resolve(judge)
    const evaluator = folder === undefined ? undefined : await openAnyEvaluator(folder, threads)
    const bar = progressBar(process.stderr, options.quiet !== true)
    try {
      const result = await compareVersions(
        studio,
        {
          ...axes,
          prompts: prompts.map((prompt) =>
            lora === undefined ? prompt : withNetworkTag(prompt, axes.versions.searched, axes.strengths.searched),
          ),
          negativePrompt: options.negative ?? '',
          seeds: Array.from({ length: seeds }, (_, i) => first + i),
          body,
        },
        { evaluator, training: options.dataset === undefined ? [] : await trainingPictures(options.dataset) },
        {
          signal,
          onProgress: (done, total, what) => {
            bar.update(done, total, what)
            if (!process.stderr.isTTY && done % 10 === 0) process.stderr.write(`${done} of ${total} pictures\n`)
          },
        },
      )
      bar.stop()
      await save(result, out, options.pictures === true)
      tell(result, out, options.json === true)
    } finally {
      bar.stop()
      await evaluator?.dispose()
    }
  } finally {
    await studio.close()
  }
}

function linesOf(path: string): readonly string[] {
  const lines = readSmallText(path, 1 << 20).split(/\r?\n/)
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
}

async function trainingPictures(folder: string): Promise<readonly Rgb8[]> {
  const pictures: Rgb8[] = []
  for (const { path } of includedPictures(openSet(folder))) {
    pictures.push(shrunkTo(flatten(await decodePicture(path), '#ffffff'), trainingSide))
  }
  if (pictures.length === 0) {
    throw new StudioError('bad-request', `--dataset: ${folder} has no pictures`, { field: 'dataset' })
  }
  return pictures
}

async function save(
  { report, grids, page, pictures }: ComparisonResult,
  out: string,
  hasPictures: boolean,
): Promise<void> {
  mkdirSync(out, { recursive: true })
  for (const [i, grid] of grids.entries()) await saveWhole(join(out, i === 0 ? 'grid.png' : `grid-${i + 1}.png`), grid)
  await saveWhole(join(out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`)
  await saveWhole(join(out, 'report.html'), page)
  if (!hasPictures) return
  mkdirSync(join(out, 'pictures'), { recursive: true })
  const write = async (name: string, all: readonly Rgb8[]) => {
    for (const [i, picture] of all.entries()) {
      await saveWhole(join(out, 'pictures', `${name}-${i + 1}.png`), await encodePng(picture))
    }
  }
  await write('base', pictures.base)
  for (const [v, row] of pictures.cells.entries()) {
    for (const [s, all] of row.entries()) {
      const { version, strength } = report.cells[v]![s]!
      await write(`${version.replace(/[^\w.-]/g, '_')}-${strength}`, all)
    }
  }
}

function tell({ report }: ComparisonResult, out: string, isJson: boolean): void {
  if (isJson) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    return
  }
  for (const note of report.notes) process.stderr.write(`note: ${note}\n`)
  process.stdout.write(`${report.verdict.reasons.join('\n')}\n${join(out, 'grid.png')}\n${join(out, 'report.html')}\n`)
}
