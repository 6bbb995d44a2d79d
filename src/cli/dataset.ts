import { join } from 'node:path'
import { Command, Option } from 'commander'
import { importPictures } from '../dataset/captioned/importPictures.ts'
import { buildEmojiSet } from '../dataset/emoji/buildEmojiSet.ts'
import { cropCommand, splitCommand } from './datasetCrop.ts'
import { excludeCommand, includeCommand, prepareCommand, reportCommand } from './datasetReport.ts'
import { tagCommand } from './datasetTag.ts'
import { tagsCommand } from './datasetTags.ts'
import { wholeNumber } from './numbers.ts'
import { defaultDataDir } from './studioOptions.ts'

interface EmojiOptions {
  readonly dataDir: string
  readonly out?: string
  readonly size: number
}

/** `dataset`: pictures to train on. */
export function datasetCommand(): Command {
  const command = new Command('dataset').description('Prepare pictures to train on.')
  const parts = [
    prepareCommand,
    reportCommand,
    excludeCommand,
    includeCommand,
    cropCommand,
    splitCommand,
    tagCommand,
    tagsCommand,
  ]
  for (const part of parts) command.addCommand(part())
  command
    .command('emoji')
    .description('Draw the emoji art that the embedded model learns from, with its names, from pinned npm packages.')
    .option('-o, --out <dir>', 'folder of the set (default: datasets/emoji-<size> in the data folder)')
    .option('--size <px>', 'side of the pictures', wholeNumber, 128)
    .addOption(
      new Option('--data-dir <folder>', 'where packages are kept').env('ATHANOR_DATA_DIR').default(defaultDataDir),
    )
    .action(async ({ dataDir, out, size }: EmojiOptions) => {
      const folder = out ?? join(dataDir, 'datasets', `emoji-${size}`)
      const count = await buildEmojiSet({
        folder,
        cacheDir: join(dataDir, 'cache', 'packages'),
        size,
        onProgress: (set, done) => {
          if (done % 100 === 0) process.stderr.write(`${set}: ${done}\n`)
        },
      })
      process.stdout.write(`${count} pictures in ${folder}\n`)
    })
  command
    .command('import')
    .description('Take pictures and captions of others: folders, metadata.jsonl, webdataset shards, parquet files.')
    .argument('<sources...>', 'folders or files, in the order they are read')
    .requiredOption('-o, --out <dir>', 'folder of the set')
    .option('--size <px>', 'side of the squares that pictures are cut to', wholeNumber, 128)
    .action(async (sources: readonly string[], { out, size }: { readonly out: string; readonly size: number }) => {
      const count = await importPictures({
        sources,
        folder: out,
        size,
        onSkip: (key, problem) => process.stderr.write(`left out ${key}: ${problem}\n`),
        onProgress: (done) => {
          if (done % 1000 === 0) process.stderr.write(`${done} pictures\n`)
        },
      })
      process.stdout.write(`${count} pictures in ${out}\n`)
    })
  return command
}
