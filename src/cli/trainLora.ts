import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parse } from 'node:path'
import { Command, Option } from 'commander'
import { openStudio } from '../pipeline/studio.ts'
import { parseFlags, readArguments } from '../train/lora/arguments.ts'
import { readConfigFile } from '../train/lora/configFile.ts'
import { duration, preflight } from '../train/lora/preflight.ts'
import { prepareRun } from '../train/lora/prepare.ts'
import { type LoraEvent, type StepEvent, trainLora } from '../train/lora/run.ts'
import { onInterrupt } from './interrupt.ts'
import { wholeNumber } from './numbers.ts'
import { progressBar } from './progressBar.ts'
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
    if (options.check) return print([...prepared.notes, ...(await preflight(prepared, threads))].join('\n'))
    const events = trainLora(prepared, { studio, folder, threads, programVersion: version(), signal: onInterrupt() })
    await follow(events)
  } finally {
    await studio.close()
  }
}

/** Shows a training until it ends: a bar on a terminal, a line for every step elsewhere. */
async function follow(events: AsyncIterable<LoraEvent>): Promise<void> {
  const bar = progressBar(process.stderr, true)
  let pace = 0
  let steps = 0
  for await (const event of events) {
    switch (event.kind) {
      case 'plan':
        print(event.lines.join('\n'))
        break
      case 'caching':
        bar.update(event.done, event.total, 'encoding pictures')
        break
      case 'resumed':
        print(`goes on after step ${event.step}, epoch ${event.epoch}`)
        break
      case 'step': {
        // A running mean over some twenty steps, so that the time left is not that of the last step.
        steps++
        pace += (event.seconds - pace) / Math.min(steps, 20)
        const what = `epoch ${event.epoch}/${event.epochs}, avr_loss=${event.averageLoss.toFixed(4)}`
        bar.update(event.step, event.total, what)
        if (!process.stderr.isTTY) print(stepLine(event, what, pace))
        break
      }
      case 'validated': {
        const isBest = event.isBest ? ', the best so far' : ''
        print(`epoch ${event.epoch}, step ${event.step}: validation loss ${event.loss.toFixed(5)}${isBest}`)
        break
      }
      case 'sampled':
        print(`sample: ${event.path}`)
        break
      case 'saved':
        print(`saved: ${event.path}`)
        break
      case 'ended':
        bar.stop()
        print(`${endings[event.reason]}: ${event.path}`)
        if (event.best !== undefined) print(`best by validation loss: ${event.best}`)
        if (event.reason === 'stopped') process.exitCode = 130
    }
  }
}

const endings = {
  done: 'done',
  stopped: 'stopped; --resume with the state beside it goes on',
  early: 'ended early, as nothing got better',
}

function stepLine({ step, total, loss }: StepEvent, what: string, pace: number): string {
  const left = duration((total - step) * pace)
  return `step ${step}/${total}, ${what}, loss ${loss.toFixed(4)}, ${pace.toPrecision(3)} s a step, ${left} left`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function version(): string {
  const path = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}
