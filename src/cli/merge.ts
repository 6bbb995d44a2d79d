import { Command, InvalidArgumentError, Option } from 'commander'
import { StudioError } from '../errors.ts'
import { type MergeMethod, mergeCheckpoints, mergePath } from '../pipeline/mergeCheckpoints.ts'
import { addStudioOptions, type StudioOptions, studioOf } from './studioOptions.ts'

interface MergeOptions extends StudioOptions {
  readonly method: MergeMethod
  readonly multiplier: number
  readonly half?: boolean
  readonly vae?: string
  readonly discard?: string
  readonly name: string
}

/** `merge`: one checkpoint from up to three, as A1111's checkpoint merger makes it. */
export function mergeCommand(): Command {
  const command = new Command('merge')
    .description('Make one checkpoint of up to three: A·(1 − m) + B·m, or A + (B − C)·m.')
    .argument('<A>', 'a checkpoint of the data folder, by any of its names')
    .argument('[B]', 'the second')
    .argument('[C]', 'the third')
    .requiredOption('--name <name>', 'what the new checkpoint is called')
    .addOption(
      new Option('--method <method>', 'how')
        .choices(['no interpolation', 'weighted sum', 'add difference'])
        .default('weighted sum'),
    )
    .option('--multiplier <m>', 'm', multiplierOf, 0.3)
    .option('--half', 'write half precision')
    .option('--vae <name>', 'a VAE of models/VAE to bake in')
    .option('--discard <pattern>', 'leave out tensors whose names match this regular expression')
  addStudioOptions(command)
  return command.action((a: string, b: string | undefined, c: string | undefined, options: MergeOptions) => {
    const { method, multiplier, half = false, vae, discard, name } = options
    const { library, dataDir } = studioOf(options)
    const pathOf = (wanted: string | undefined, field: string) =>
      wanted === undefined ? undefined : library.checkpoint(wanted, field).identity.path
    const { entry, identity } = library.checkpoint(a, 'A')
    const path = mergePath(dataDir, name)
    mergeCheckpoints(
      {
        primary: identity.path,
        secondary: pathOf(b, 'B'),
        tertiary: pathOf(c, 'C'),
        method,
        multiplier,
        half,
        vae: vae === undefined ? undefined : library.vae(vae, entry, true, 'vae'),
        discard: discard === undefined ? undefined : patternOf(discard),
      },
      path,
    )
    process.stdout.write(`${path}\n`)
  })
}

function multiplierOf(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number.')
  return value
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (cause) {
    throw new StudioError('bad-request', `--discard: ${(cause as Error).message}`, { cause, field: 'discard' })
  }
}
