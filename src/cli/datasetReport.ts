import { Command } from 'commander'
import { readExclusions, writeExclusions } from '../dataset/exclusions.ts'
import { importSet } from '../dataset/importSet.ts'
import { openSet } from '../dataset/pictureSet.ts'
import { reportPage } from '../dataset/quality/html.ts'
import { type PictureReport, reportOn, type SetReport } from '../dataset/quality/report.ts'
import { StudioError } from '../errors.ts'
import { replaceFile } from '../files/replaceFile.ts'
import { openTokenizer } from '../pipeline/openTokenizer.ts'
import { addJudgeOptions, type JudgeOptions, openJudges } from './datasetJudges.ts'
import { type Size, size, wholeNumber } from './numbers.ts'
import { progressBar } from './progressBar.ts'

/** How every command of a set finds its captions. */
export const captionExtension = ['--caption-extension <ext>', 'of captions (default: .txt, or .caption)'] as const

interface PrepareOptions {
  readonly out: string
  readonly repeats?: number
  readonly name?: string
  readonly captionExtension?: string
}

/** `dataset prepare`: a copy that every trainer reads alike. */
export function prepareCommand(): Command {
  return new Command('prepare')
    .description('Copy pictures and captions into <repeats>_<name> folders: upright, whole, of 8 bits.')
    .argument('<folder>', 'pictures, or the parent of <repeats>_<name> folders')
    .requiredOption('-o, --out <dir>', 'the set’s new folder')
    .option('--repeats <n>', 'how often each picture is drawn in an epoch', wholeNumber)
    .option('--name <name>', 'what the pictures show')
    .option(...captionExtension)
    .action(async (folder: string, { out, repeats, name, captionExtension }: PrepareOptions) => {
      const bar = progressBar(process.stderr, true)
      const set = openSet(folder, { captionExtension })
      const done = await importSet(set, { out, repeats, name, onProgress: bar.update }).finally(bar.stop)
      print([
        ...set.notes,
        ...set.problems.map(({ name, problem }) => `left out: ${name}: ${problem}`),
        ...done.failed.map(({ problem }) => `left out: ${problem}`),
        ...done.rewritten.map((name) => `rewritten upright as PNG: ${name}`),
        `${done.pictures} pictures and ${done.captions} captions in ${out}`,
      ])
    })
}

interface ReportCommandOptions extends JudgeOptions {
  readonly resolution: Size
  readonly batch: number
  readonly trigger?: string
  readonly json?: string | true
  readonly html?: string
  readonly exclude?: boolean
  readonly captionExtension?: string
}

/** `dataset report`: which pictures hurt, and why. */
export function reportCommand(): Command {
  const command = new Command('report')
    .description('Judge every picture of a set and the set: size, sharpness, light, copies, captions, faces.')
    .argument('<folder>', 'pictures, or the parent of <repeats>_<name> folders')
    .option('--resolution <WxH>', 'size that is trained at', size, { width: 512, height: 512 })
    .option('--batch <n>', 'pictures of a step', wholeNumber, 1)
    .option('--trigger <word>', 'the word that every caption should have')
    .option(...captionExtension)
    .option('--json [file]', 'everything as JSON, to a file or the console')
    .option('--html <file>', 'one page with pictures')
    .option('--exclude', 'leave out what is better left out; `dataset include` takes it back')
  return addJudgeOptions(command).action(async (folder: string, options: ReportCommandOptions) => {
    const bar = progressBar(process.stderr, true)
    const { width, height } = options.resolution
    const set = openSet(folder, { captionExtension: options.captionExtension })
    const tokenizer = openTokenizer('clip')
    const report = await reportOn(set, {
      target: [width, height],
      batch: options.batch,
      trigger: options.trigger,
      tokens: (text) => tokenizer.encode(text).length,
      judges: await openJudges(options),
      onProgress: bar.update,
    }).finally(bar.stop)
    if (options.html !== undefined) write(options.html, reportPage(report))
    if (typeof options.json === 'string') write(options.json, asJson(report))
    if (options.json === true) process.stdout.write(asJson(report))
    else print(inWords(report))
    if (options.exclude) {
      const advised = report.pictures.filter(({ advice }) => advice !== undefined)
      writeExclusions(
        folder,
        new Map([...set.excluded, ...advised.map(({ name, advice }) => [name, advice!] as const)]),
      )
      process.stderr.write(`${advised.length} pictures are left out from now on; no file was changed.\n`)
    }
  })
}

/** `dataset exclude`: leaves pictures out without touching them. */
export function excludeCommand(): Command {
  return new Command('exclude')
    .description('Leave pictures out of a set; their files stay. Without names: list what is left out.')
    .argument('<folder>', 'the set')
    .argument('[pictures...]', 'paths below the folder')
    .option('--reason <text>', 'why', 'by hand')
    .action((folder: string, names: readonly string[], { reason }: { readonly reason: string }) => {
      const set = openSet(folder)
      for (const name of names) {
        if (!set.pictures.some((picture) => picture.name === name)) throw unknownPicture(folder, name)
      }
      const excluded = new Map([...set.excluded, ...names.map((name) => [name, reason] as const)])
      if (names.length > 0) writeExclusions(folder, excluded)
      print([...excluded].map(([name, why]) => `${name}: ${why}`))
    })
}

/** `dataset include`: takes pictures back. */
export function includeCommand(): Command {
  return new Command('include')
    .description('Take pictures back that were left out; without names, all of them.')
    .argument('<folder>', 'the set')
    .argument('[pictures...]', 'paths below the folder')
    .action((folder: string, names: readonly string[]) => {
      const excluded = new Map(readExclusions(folder))
      for (const name of names.length > 0 ? names : [...excluded.keys()]) {
        if (!excluded.delete(name)) throw unknownPicture(folder, name)
      }
      writeExclusions(folder, excluded)
      print([`${excluded.size} pictures are left out.`])
    })
}

function unknownPicture(folder: string, name: string): StudioError {
  return new StudioError('unknown-name', `${folder}: has no picture ${name}; expected a path such as 10_cat/a.png`, {
    field: name,
  })
}

function asJson(report: SetReport): string {
  const plain = { ...report, pictures: report.pictures.map(({ thumbnail: _, ...rest }) => rest) }
  return `${JSON.stringify(plain, null, 2)}\n`
}

function inWords({ root, grade, set, copies, pictures, problems, notes, skipped }: SetReport): readonly string[] {
  const told = pictures.filter(({ verdicts }) => verdicts.some((each) => each.grade !== 'pass'))
  return [
    `${root}: ${grade}, ${pictures.length} pictures`,
    ...set.map((each) => `  ${each.grade.padEnd(5)}${each.check} ${each.value} (${each.threshold}): ${each.message}`),
    ...copies.map(({ kind, names }) => `  ${kind}: ${names.join(' = ')}`),
    ...told.flatMap(pictureInWords),
    ...problems.map(({ name, problem }) => `not taken: ${name}: ${problem}`),
    ...notes.map((note) => `note: ${note}`),
    ...skipped.map((check) => `not checked: ${check}`),
  ]
}

function pictureInWords({ name, verdicts, excluded, advice }: PictureReport): readonly string[] {
  const state = excluded !== undefined ? ' (left out)' : advice !== undefined ? ' (better left out)' : ''
  return [
    `${name}${state}`,
    ...verdicts.map(
      (each) => `  ${each.grade.padEnd(5)}${each.check} ${each.value} (${each.threshold}): ${each.message}`,
    ),
  ]
}

function write(path: string, content: string): void {
  replaceFile(path, [new TextEncoder().encode(content)])
}

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}
