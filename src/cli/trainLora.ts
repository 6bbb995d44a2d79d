import { availableParallelism } from 'node:os'
import { parse } from 'node:path'
import { Command, Option } from 'commander'
import { openStudio } from '../pipeline/studio.ts'
import { readConfigFile } from '../train/configFile.ts'
import { parseFlags } from '../train/flags.ts'
import { withLoggedSamples } from '../train/log/sampleLog.ts'
import { readArguments } from '../train/lora/arguments.ts'
import { preflight } from '../train/lora/preflight.ts'
import { prepareRun } from '../train/lora/prepare.ts'
import { trainLora } from '../train/lora/run.ts'
import { version } from '../version.ts'
import { followTraining, printLines } from './followTraining.ts'
import { onInterrupt } from './interrupt.ts'
import { wholeNumber } from './numbers.ts'
import { defaultDataDir } from './studioOptions.ts'

interface LoraOptions {
  readonly dataDir: string
  readonly config?: string
  readonly threads?: number
  readonly check?: boolean
}

/** `train lora`: a network beside a model, by kohya's parameters from a TOML file and the command line. */
export function loraCommand(): Command {
  return new Command('lora')
    .description("Train a LoRA; every other option is a parameter of kohya's trainer, such as --network_dim 16.")
    .option('--config <file>', 'TOML file with parameters; those on the command line win')
    .addOption(new Option('--config_file <file>', 'the same, as kohya calls it').hideHelp())
    .option('--check', 'say what would be done, and how long it would take, and stop')
    .option('--threads <n>', 'threads to compute with', wholeNumber)
    .addOption(
      new Option('--data-dir <folder>', 'where models are found and LoRAs are put')
        .env('ATHANOR_DATA_DIR')
        .default(defaultDataDir),
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_, command: Command) => {
      await run(command.opts<LoraOptions & { config_file?: string }>(), command.args)
    })
}

async function run(options: LoraOptions & { readonly config_file?: string }, flags: readonly string[]): Promise<void> {
  const { dataDir, threads = availableParallelism() } = options
  const config = options.config ?? options.config_file
  const given = new Map(config === undefined ? [] : readConfigFile(config))
  if (config !== undefined && !given.has('output_name')) given.set('output_name', parse(config).name)
  const args = readArguments(given, parseFlags(flags))
  const folder = process.cwd()
  const studio = openStudio(dataDir, { threads })
  try {
    const prepared = await prepareRun(args, studio, folder, threads)
    if (options.check) return printLines([...prepared.notes, ...(await preflight(prepared, threads))])
    const events = trainLora(prepared, { studio, folder, threads, programVersion: version, signal: onInterrupt() })
    await followTraining(withLoggedSamples(events))
  } finally {
    await studio.close()
  }
}
