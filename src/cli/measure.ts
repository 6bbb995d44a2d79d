import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import type { EmojiRow } from '../dataset/emoji/buildEmojiSet.ts'
import { openPictureStore } from '../dataset/pictureStore.ts'
import { StudioError } from '../errors.ts'
import { encodePng } from '../image/encode.ts'
import { pictureGrid } from '../image/grid.ts'
import { saveWhole } from '../image/save.ts'
import { openEvaluator } from '../metrics/evaluator.ts'
import type { Measured } from '../metrics/interval.ts'
import { choices, type ModelReport, measureModel } from '../metrics/measureModel.ts'
import { range } from '../metrics/modelCard.ts'
import { openStudio } from '../pipeline/studio.ts'
import { wholeNumber } from './numbers.ts'
import { addStudioOptions, type StudioOptions } from './studioOptions.ts'

interface MeasureOptions extends StudioOptions {
  readonly checkpoint?: string
  readonly evaluator: string
  readonly drawings: string
  readonly prompts: string
  readonly out: string
  readonly seeds: number
  readonly steps: number
  readonly cfg: number
}

const promptsPath = fileURLToPath(new URL('../../training/prompts.toml', import.meta.url))

/** Groups that the released configurations draw from most. */
const groups = ['animals-nature', 'food-drink', 'objects', 'travel-places', 'activities', 'smileys-emotion']

/** `measure`: numbers about a model. */
export function measureCommand(): Command {
  const command = new Command('measure').description('Measure what a model is worth.')
  const model = new Command('model')
    .description('Paint 64 prompts, and compare the pictures with captions and with drawings that were held out.')
    .option('--checkpoint <file>', 'a checkpoint of its own place (default: the one that travels with the package)')
    .option(
      '--evaluator <dir>',
      'folder of the run that trained the judge, below the data folder',
      'training/evaluator',
    )
    .option('--drawings <dir>', 'the picture store, below the data folder', 'datasets/emoji-128')
    .option('--prompts <file>', 'the prompts by their kind, as TOML', promptsPath)
    .option('-o, --out <dir>', 'folder for report.json and sheet.png', 'measured')
    .option('--seeds <n>', 'pictures of each prompt', wholeNumber, 4)
    .option('--steps <n>', 'steps of a picture', wholeNumber, 20)
    .option('--cfg <scale>', 'guidance', Number, 4)
  addStudioOptions(model).action(run)
  return command.addCommand(model)
}

async function run(options: MeasureOptions): Promise<void> {
  const { dataDir, checkpoint, evaluator: judge, drawings, out, seeds, steps, cfg, threads } = options
  const prompts = readPrompts(options.prompts)
  const store = openPictureStore<EmojiRow>(resolve(dataDir, drawings))
  const evaluator = await openEvaluator(resolve(dataDir, judge), threads ?? availableParallelism())
  // A folder of its own keeps the checkpoints of the data folder out: the one asked for is the only one.
  const studio = openStudio(join(dataDir, 'cache', 'measuring'), {
    ...(threads === undefined ? {} : { threads }),
    ...(checkpoint === undefined ? {} : { embedded: resolve(checkpoint) }),
  })
  try {
    const { report, sheet } = await measureModel({
      studio,
      evaluator,
      store,
      groups,
      prompts,
      seeds,
      steps,
      cfgScale: cfg,
      onProgress: (done, total) => {
        if (done % 8 === 0) process.stderr.write(`${done} of ${total} pictures\n`)
      },
    })
    mkdirSync(out, { recursive: true })
    writeFileSync(join(out, 'report.json'), `${JSON.stringify({ ...report, promptTexts: prompts }, null, 2)}\n`)
    await saveWhole(join(out, 'sheet.png'), await encodePng(pictureGrid(sheet, 8)))
    process.stdout.write(inWords(report))
  } finally {
    await studio.close()
    await evaluator.dispose()
    store.close()
  }
}

function readPrompts(path: string): Readonly<Record<string, readonly string[]>> {
  const wrong = (problem: string, cause?: unknown) => new StudioError('bad-file', `${path}: ${problem}`, { cause })
  let content: unknown
  try {
    content = parseToml(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw wrong(`cannot be read as prompts: ${(cause as Error).message}`, cause)
  }
  const result = z.record(z.string(), z.array(z.string()).min(1)).safeParse(content)
  if (!result.success) throw wrong('expected lists of prompts by their kind')
  const count = Object.values(result.data).flat().length
  if (count !== choices) throw wrong(`${count} prompts, expected ${choices}`)
  return result.data
}

function inWords(report: ModelReport): string {
  const percent = (share: Measured) => range(share, (x) => `${(100 * x).toFixed(1)} %`)
  const thousandths = (x: number) => (1000 * x).toFixed(1)
  const decibels = (x: number) => `${x.toFixed(1)} dB`
  const rows: [string, string][] = [
    ['R@1 generated', percent(report.generated.first)],
    ['R@5 generated', percent(report.generated.firstFive)],
    ...Object.entries(report.byKind).map(([kind, { first }]): [string, string] => [`R@1 ${kind}`, percent(first)]),
    ['R@1 held out', percent(report.heldOut.first)],
    ['R@5 held out', percent(report.heldOut.firstFive)],
    ['KID x 1000', range(report.kid, thousandths)],
    ['KID x 1000 of training drawings', range(report.kidOfTrainingDrawings, thousandths)],
    ['copies', percent(report.copies)],
    ['copies among held out', percent(report.copiesOfHeldOut)],
    ['PSNR', range(report.psnr, decibels)],
    ['PSNR other style', range(report.psnrOtherStyle, decibels)],
  ]
  return `${rows.map(([name, text]) => `  ${name.padEnd(34)}${text}`).join('\n')}\n`
}
