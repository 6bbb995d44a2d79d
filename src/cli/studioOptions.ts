import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import { openStudio, type Studio } from '../pipeline/studio.ts'
import { atLeast } from './numbers.ts'

/** Options of every command that opens a data folder. */
export interface StudioOptions {
  readonly dataDir: string
  readonly threads?: number
  readonly useCpu?: string
}

/** Where models and pictures live unless told otherwise: `data/` beside the program. */
export const defaultDataDir = join(fileURLToPath(new URL('../..', import.meta.url)), 'data')

/** Adds the data folder and the ways to compute to a command. */
export function addStudioOptions(command: Command): Command {
  const group = 'Studio:'
  return command
    .addOption(
      new Option('--data-dir <folder>', 'models, embeddings, styles and options, laid out as A1111 has them')
        .env('ATHANOR_DATA_DIR')
        .default(defaultDataDir, 'data/ beside the program')
        .helpGroup(group),
    )
    .addOption(new Option('--threads <n>', 'threads to compute with').argParser(atLeast(1)).helpGroup(group))
    .addOption(
      new Option(
        '--use-cpu <parts>',
        'noise called "GPU" is that of a CPU, as on a web UI started with --use-cpu all',
      ).helpGroup(group),
    )
}

/** Opens the data folder that the options name. */
export function studioOf({ dataDir, threads, useCpu }: StudioOptions): Studio {
  return openStudio(dataDir, {
    gpuNoise: useCpu === 'all' ? 'cpu' : 'nv',
    ...(threads === undefined ? {} : { threads }),
  })
}
