import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, parse, resolve } from 'node:path'
import { Command, Option } from 'commander'
import type { z } from 'zod'
import { clipRunSchema } from '../train/clipConfig.ts'
import { trainClip } from '../train/clipRun.ts'
import { exportModel } from '../train/exportModel.ts'
import type { RunEvent } from '../train/run.ts'
import { type RunPlaces, readRunConfig } from '../train/runConfig.ts'
import { unetRunSchema } from '../train/unetConfig.ts'
import { trainUnet } from '../train/unetRun.ts'
import { vaeRunSchema } from '../train/vaeConfig.ts'
import { trainVae } from '../train/vaeRun.ts'
import { onInterrupt } from './interrupt.ts'
import { wholeNumber } from './numbers.ts'
import { defaultDataDir } from './studioOptions.ts'
import { embeddingCommand } from './trainEmbedding.ts'
import { loraCommand } from './trainLora.ts'

interface TrainOptions {
  readonly dataDir: string
  readonly config: string
  readonly out?: string
  readonly threads?: number
}

/** `train`: one of the parts of a model from its configuration file. */
export function trainCommand(): Command {
  return new Command('train')
    .description('Train a part of a model; run it again to go on where it stopped.')
    .addCommand(partCommand('vae', 'Train an autoencoder.', vaeRunSchema, trainVae))
    .addCommand(partCommand('clip', 'Train a text encoder beside a picture encoder.', clipRunSchema, trainClip))
    .addCommand(partCommand('unet', 'Train a noise predictor on trained parts.', unetRunSchema, trainUnet))
    .addCommand(loraCommand())
    .addCommand(embeddingCommand())
    .addCommand(exportCommand())
}

/** A command that trains from a configuration file. */
function partCommand<Schema extends z.ZodType>(
  name: string,
  description: string,
  schema: Schema,
  start: (run: z.output<Schema>, places: RunPlaces) => AsyncIterable<RunEvent>,
): Command {
  return new Command(name)
    .description(description)
    .requiredOption('--config <file>', 'numbers of the run, TOML or JSON')
    .option(
      '-o, --out <dir>',
      'folder for checkpoint and logs (default: training/<name of the file> in the data folder)',
    )
    .option('--threads <n>', 'threads to compute with', wholeNumber)
    .addOption(
      new Option('--data-dir <folder>', 'where pictures are found').env('ATHANOR_DATA_DIR').default(defaultDataDir),
    )
    .action(async ({ dataDir, config, out, threads = availableParallelism() }: TrainOptions) => {
      const run = readRunConfig(config, schema)
      const folder = out ?? join(dataDir, 'training', parse(config).name)
      await follow(start(run, { dataDir: resolve(dataDir), folder, threads }), onInterrupt())
    })
}

/** `train export`: a checkpoint of all parts. */
function exportCommand(): Command {
  return new Command('export')
    .description('Write a checkpoint of a trained noise predictor and the parts it was trained on.')
    .argument('<folder>', 'folder of the run that trained the noise predictor')
    .requiredOption('-o, --out <file>', 'the checkpoint, a .safetensors file')
    .option('--title <title>', 'what the model is called', 'Athanor emoji')
    .action(async (folder: string, { out, title }: { readonly out: string; readonly title: string }) => {
      await exportModel({ folder, path: out, title })
      print(`${out}: ${(statSync(out).size / 1e6).toFixed(1)} MB`)
    })
}

/** Prints a run's events until it ends or a signal stops it between two steps. */
async function follow(events: AsyncIterable<RunEvent>, signal: AbortSignal): Promise<void> {
  let pace: number | undefined
  let told = 0
  for await (const event of events) {
    if (event.kind === 'prepared') {
      const { what, done, total } = event
      if (done === total || performance.now() - told > 5000) {
        print(`${what}: ${done} of ${total}`)
        told = performance.now()
      }
    }
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
