import { Command, Option } from 'commander'
import { StudioError } from '../errors.ts'
import { toRgb } from '../image/channels.ts'
import { decodePicture } from '../image/decode.ts'
import { generate } from '../pipeline/generate.ts'
import type { Studio } from '../pipeline/studio.ts'
import { closePsnr, judge, type Verdict } from '../pipeline/verify.ts'
import { recipeFromRequest } from '../pipeline/wire/recipeFromRequest.ts'
import { onInterrupt } from './interrupt.ts'
import { collect } from './numbers.ts'
import { requestOfPicture } from './pictureRequest.ts'
import { progressBar } from './progressBar.ts'
import { readBytes } from './readBytes.ts'
import { pictureText } from './requestFile.ts'
import { addStudioOptions, type StudioOptions, studioOf } from './studioOptions.ts'

interface VerifyOptions extends StudioOptions {
  readonly json?: boolean
  readonly quiet?: boolean
  readonly init?: readonly string[]
  readonly mask?: string
}

/** `verify`: renders a picture again from its own infotext and compares. */
export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('Render a picture again from what it says about itself, and compare.')
    .argument('<picture>', 'a picture that carries its generation parameters')
    .option('--json', 'print the verdict as JSON')
    .option('-q, --quiet', 'no progress bar')
    .addOption(new Option('-i, --init <file>', 'the picture it was made from (img2img); repeatable').argParser(collect))
    .option('--mask <file>', 'the mask it was made with')
  addStudioOptions(command)
  command.addHelpText('after', help)
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

const help = `
The verdict is one of
  equal      every pixel is the same
  close      only rounding differs (PSNR of ${closePsnr} dB or more), as between programs and devices
  different  the picture was changed, or made with other files or settings; the exit status then is 1

Examples:
  athanor verify picture.png
  athanor verify repainted.png --init photo.jpg --mask mask.png --json`

async function verify(path: string, studio: Studio, options: VerifyOptions): Promise<Verdict> {
  const original = toRgb(await decodePicture(readBytes(path)))
  const { endpoint, body } = await requestOfPicture(path)
  if (endpoint === 'img2img' && options.init === undefined) {
    const problem = 'was made from another picture, which it does not carry; --init says which'
    throw new StudioError('bad-request', `${path}: ${problem}`, { field: 'init' })
  }
  const whole = {
    ...body,
    ...(options.init && { init_images: options.init.map(pictureText) }),
    ...(options.mask !== undefined && { mask: pictureText(options.mask) }),
  }
  const recipe = await recipeFromRequest(whole, endpoint, studio)
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
