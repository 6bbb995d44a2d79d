import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parse } from 'node:path'
import { Command, Option } from 'commander'
import { openStudio } from '../pipeline/studio.ts'
import { readConfigFile } from '../train/configFile.ts'
import { readEmbeddingArguments } from '../train/embedding/parameters.ts'
import { embeddingPlan } from '../train/embedding/preflight.ts'
import { beginEmbedding, prepareEmbedding } from '../train/embedding/prepare.ts'
import { trainEmbedding } from '../train/embedding/run.ts'
import { parseFlags } from '../train/flags.ts'
import { withLoggedSamples } from '../train/log/sampleLog.ts'
import { version } from '../version.ts'
import { followTraining, printLines } from './followTraining.ts'
import { onInterrupt } from './interrupt.ts'
import { wholeNumber } from './numbers.ts'
import { defaultDataDir } from './studioOptions.ts'

interface EmbeddingOptions {
  readonly dataDir: string
  readonly config?: string
  readonly threads?: number
  readonly check?: boolean
}

/** `train embedding`: a textual inversion, by A1111's parameters from a TOML file and the command line. */
export function embeddingCommand(): Command {
  return new Command('embedding')
    .description("Train an embedding; every other option is a parameter of A1111's, such as --learn_rate 0.005.")
    .option('--config <file>', 'TOML file with parameters; those on the command line win')
    .option('--check', 'say what would be done, and how long it would take, and stop')
    .option('--threads <n>', 'threads to compute with', wholeNumber)
    .addOption(
      new Option('--data-dir <folder>', 'where models and embeddings are')
        .env('ATHANOR_DATA_DIR')
        .default(defaultDataDir),
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_, command: Command) => {
      await run(command.opts<EmbeddingOptions>(), command.args)
    })
}

async function run(options: EmbeddingOptions, flags: readonly string[]): Promise<void> {
  const { dataDir, config, threads = availableParallelism() } = options
  const given = new Map(config === undefined ? [] : readConfigFile(config))
  if (config !== undefined && !given.has('embedding_name')) given.set('embedding_name', parse(config).name)
  const args = readEmbeddingArguments([...given, ...parseFlags(flags)])
  const folder = process.cwd()
  const studio = openStudio(dataDir, { threads })
  let made: string | undefined
  try {
    made = beginEmbedding(args.values, studio, folder)
    const prepared = await prepareEmbedding(args, studio, folder)
    if (options.check) return printLines([...prepared.notes, ...(await embeddingPlan(prepared, threads))])
    const places = { studio, folder, threads, programVersion: version, signal: onInterrupt() }
    await followTraining(withLoggedSamples(trainEmbedding(prepared, places)))
  } finally {
    // What is only looked at leaves nothing behind.
    if (options.check && made !== undefined) rmSync(made)
    await studio.close()
  }
}
