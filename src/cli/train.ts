import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, parse, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { StudioError } from '../errors.ts'
import type { RunEvent } from '../train/run.ts'
import { vaeRunSchema } from '../train/vaeConfig.ts'
import { trainVae } from '../train/vaeRun.ts'
import { onInterrupt } from './interrupt.ts'
import { wholeNumber } from './numbers.ts'
import { defaultDataDir } from './studioOptions.ts'
import { loraCommand } from './trainLora.ts'

interface TrainOptions {
  readonly dataDir: string
  readonly config: string
  readonly out?: string
  readonly threads?: number
}

/** `train`: one of the parts of a model from its configuration file. */
export function trainCommand(): Command {
  const command = new Command('train').description('Train a part of a model; run it again to go on where it stopped.')
  command
    .command('vae')
    .description('Train an autoencoder.')
    .requiredOption('--config <file>', 'numbers of the run')
    .option(
      '-o, --out <dir>',
      'folder for checkpoint and logs (default: training/<name of the file> in the data folder)',
    )
    .option('--threads <n>', 'threads to compute with', wholeNumber)
    .addOption(
      new Option('--data-dir <folder>', 'where pictures are found').env('ATHANOR_DATA_DIR').default(defaultDataDir),
    )
    .action(async ({ dataDir, config, out, threads = availableParallelism() }: TrainOptions) => {
      const run = readRun(config)
      const folder = out ?? join(dataDir, 'training', parse(config).name)
      await follow(trainVae(run, { data: resolve(dataDir, run.data), folder, threads }), onInterrupt())
    })
  return command.addCommand(loraCommand())
}

function readRun(path: string) {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new StudioError('bad-file', `${path}: cannot be read as a configuration: ${(cause as Error).message}`, {
      cause,
    })
  }
  const result = vaeRunSchema.safeParse(content)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const field = issue?.path.join('.') ?? ''
  throw new StudioError('bad-request', `${path}: ${field}: ${issue?.message}`, { field })
}

/** Prints a run's events until it ends or a signal stops it between two steps. */
async function follow(events: AsyncIterable<RunEvent>, signal: AbortSignal): Promise<void> {
  let pace: number | undefined
  for await (const event of events) {
    if (event.kind === 'resumed') print(`goes on after step ${event.step}`)
    if (event.kind === 'saved') print(`saved step ${event.step} in ${event.path}`)
    if (event.kind === 'judged') print(`step ${event.step}: ${numbersText(event.values)}`)
    if (event.kind === 'step') {
      const { step, total, seconds } = event
      // A running mean over some twenty steps, so that the time left is not that of the last step.
      pace = pace === undefined ? seconds : pace + (seconds - pace) / 20
      const left = ((total - step.step) * pace) / 60
      const values = { loss: step.loss, ...step.metrics, rate: step.learningRate, 'samples/s': step.samples / pace }
      print(`step ${step.step}/${total}: ${numbersText(values)}, ${left.toFixed(0)} min left`)
    }
    if (signal.aborted) break
  }
  if (!signal.aborted) return
  print('stopped and saved; the same command goes on from here')
  process.exitCode = 130
}

function numbersText(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
    .join(', ')
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
