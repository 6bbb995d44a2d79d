import { Command } from 'commander'
import { toRgb } from '../image/channels.ts'
import { decodePicture } from '../image/decode.ts'
import { generate } from '../pipeline/generate.ts'
import type { Studio } from '../pipeline/studio.ts'
import { judge, type Verdict, verifiableRequest } from '../pipeline/verify.ts'
import { recipeFromRequest } from '../pipeline/wire/recipeFromRequest.ts'
import { onInterrupt } from './interrupt.ts'
import { progressBar } from './progressBar.ts'
import { readBytes } from './readBytes.ts'
import { addStudioOptions, type StudioOptions, studioOf } from './studioOptions.ts'

interface VerifyOptions extends StudioOptions {
  readonly json?: boolean
  readonly quiet?: boolean
}

/** `verify`: renders a picture again from its own infotext and compares. */
export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('Render a picture again from what it says about itself, and compare.')
    .argument('<picture>', 'a picture that carries its generation parameters')
    .option('--json', 'print the verdict as JSON')
    .option('-q, --quiet', 'no progress bar')
  addStudioOptions(command)
  return command.action(async (path: string, options: VerifyOptions) => {
    const studio = studioOf(options)
    try {
      const verdict = await verify(path, studio, options)
      process.stdout.write(options.json ? `${JSON.stringify(verdict, null, 2)}\n` : inWords(verdict))
      if (verdict.verdict === 'different') process.exitCode = 1
    } finally {
      await studio.close()
    }
  })
}

async function verify(path: string, studio: Studio, options: VerifyOptions): Promise<Verdict> {
  const bytes = readBytes(path)
  const original = toRgb(await decodePicture(bytes))
  const { endpoint, body } = await verifiableRequest(bytes, path)
  const recipe = await recipeFromRequest(body, endpoint, studio)
  const bar = progressBar(process.stderr, options.quiet !== true)
  const signal = onInterrupt()
  try {
    for await (const event of generate(studio, recipe, { signal })) {
      if (event.kind === 'step') bar.update(event.step, event.steps, event.pass === 'hires' ? 'hires' : 'steps')
      else return judge(original, event.image.picture, recipe)
    }
  } finally {
    bar.stop()
  }
  throw new Error('internal: a recipe without a picture')
}

function inWords({ verdict, psnr, largest, mean, sameSize, reasons }: Verdict): string {
  const figures = sameSize
    ? ` (PSNR ${psnr.toFixed(1)} dB, largest difference ${largest}, mean ${mean.toFixed(4)})`
    : ''
  const title = verdict === 'equal' ? 'equal: every pixel is the same' : `${verdict}${figures}`
  return `${[title, ...reasons.map((reason) => `  ${reason}`)].join('\n')}\n`
}
