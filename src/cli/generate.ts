import { resolve } from 'node:path'
import { Command } from 'commander'
import { samplers } from '../diffusion/samplers/index.ts'
import { scheduleList } from '../diffusion/schedules.ts'
import { StudioError } from '../errors.ts'
import { encodePng } from '../image/encode.ts'
import { gridRows, pictureGrid } from '../image/grid.ts'
import { saveWhole } from '../image/save.ts'
import { type GeneratedImage, generate } from '../pipeline/generate.ts'
import { previewPictures } from '../pipeline/preview.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import { type Saving, saveGrid, saveImage, saveStartPictures } from '../pipeline/saveImage.ts'
import type { Studio } from '../pipeline/studio.ts'
import { recipeFromRequest } from '../pipeline/wire/recipeFromRequest.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { onInterrupt } from './interrupt.ts'
import { requestOfPicture } from './pictureRequest.ts'
import { progressBar } from './progressBar.ts'
import { addRecipeOptions, writeRecipeOptions } from './recipeOptions.ts'
import { type CliRequest, type RequestBody, readRequestFile } from './requestFile.ts'
import { addStudioOptions, type StudioOptions, studioOf } from './studioOptions.ts'

interface GenerateOptions extends StudioOptions {
  readonly out?: string
  readonly format?: Saving['format']
  readonly request?: string
  readonly from?: string
  readonly lenient?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
  readonly preview?: string
}

/** What a picture is made with where nobody says otherwise: the web UI's settings, not those of its API. */
const defaults: RequestBody = {
  steps: 20,
  sampler_name: 'DPM++ 2M',
  denoising_strength: 0.7,
  inpainting_fill: 1,
  inpaint_full_res: false,
}

/** `generate`: from a prompt, a request or another picture to picture files. */
export function generateCommand(): Command {
  const command = new Command('generate')
    .description('Make pictures from a prompt.')
    .argument('[prompt]', 'what the picture shows; <lora:name:0.8> brings in an adapter')
    .option('-o, --out <dir>', 'folder to save in (default: outputs/ in the data folder)')
    .option('--format <format>', 'png, jpg, webp or avif')
    .option('--request <file>', 'an A1111 txt2img or img2img request body as JSON; options below change it')
    .option('--from <picture>', 'repeat the picture that this file says it is; options below change it')
    .option('--lenient', 'unknown names fall back as they do in A1111')
    .option('--preview <file>', 'PNG to rewrite after every step with what is coming')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress bar')
  addRecipeOptions(command)
  addStudioOptions(command)
  command.addHelpText('after', examples)
  return command.action(async (prompt: string | undefined, options: GenerateOptions) => {
    const signal = onInterrupt()
    const request = await requestOf(prompt, options)
    const studio = studioOf(options)
    try {
      await run(studio, request, options, signal)
    } finally {
      await studio.close()
    }
  })
}

const inLines = (names: readonly string[]) => names.join(', ').replace(/(.{60,76}), /g, '$1,\n  ')

const examples = `
Samplers:
  ${inLines(samplers.map(({ label }) => label))}
Schedulers (also at the end of a sampler's name, as in "DPM++ 2M Karras"):
  ${inLines(['Automatic', ...scheduleList.map(({ label }) => label)])}

Prompts:
  (word:1.3) and [word] weigh more and less, [cat:dog:0.5] changes half-way, [cat|dog] takes turns,
  a AND b mixes two prompts, BREAK begins a new chunk of 75 tokens, <lora:name:0.8> brings in an adapter.

Examples:
  athanor generate "a red apple"
  athanor generate "portrait of a cat" -n "blurry" --steps 30 --sampler "DPM++ 2M Karras" --seed 7
  athanor generate "a castle" --hires 1.5 --denoise 0.5 --out pictures
  athanor generate "a blue door" --init house.png --mask door.png --denoise 0.8
  athanor generate "portrait <lora:style:0.8>" --batch 4 --count 2
  athanor generate --from outputs/txt2img-images/2026-01-01/00000-7.png --steps 40
  athanor generate --request request.json --json`

async function requestOf(prompt: string | undefined, options: GenerateOptions): Promise<CliRequest> {
  const { request: file, from } = options
  if (file !== undefined && from !== undefined) {
    throw new StudioError('bad-request', '--request and --from: only one of them can say what to make')
  }
  const base =
    file !== undefined ? readRequestFile(file) : from !== undefined ? await requestOfPicture(from) : undefined
  if (!base && prompt === undefined) {
    throw new StudioError('bad-request', 'a prompt is missing: athanor generate "a red apple"', { field: 'prompt' })
  }
  const body = writeRecipeOptions(
    { ...(base?.body ?? defaults), ...(prompt === undefined ? {} : { prompt }) },
    options as unknown as Readonly<Record<string, unknown>>,
  )
  const isImg2Img = base?.endpoint === 'img2img' || body.init_images !== undefined
  return { endpoint: isImg2Img ? 'img2img' : 'txt2img', body, ...(base?.floats && { floats: base.floats }) }
}

async function run(
  studio: Studio,
  { endpoint, body, floats }: CliRequest,
  options: GenerateOptions,
  signal: AbortSignal,
): Promise<void> {
  const recipe = await recipeFromRequest(body, endpoint, studio, {
    lenient: options.lenient ?? false,
    ...(floats && { floats }),
  })
  for (const note of recipe.notes) process.stderr.write(`note: ${note}\n`)

  await saveStartPictures(studio, recipe)
  const started = performance.now()
  const saving = savingOf(options)
  const saved: SavedImage[] = []
  const images: GeneratedImage[] = []
  const bar = progressBar(process.stderr, options.quiet !== true)
  try {
    for await (const event of generate(studio, recipe, { signal })) {
      if (event.kind === 'step') {
        const { step, steps, batch, batches, pass } = event
        const what = pass === 'hires' ? 'hires' : batches > 1 ? `batch ${batch + 1} of ${batches}` : 'steps'
        bar.update(step, steps, what)
        if (options.preview !== undefined) await savePreview(studio, event.denoised, options.preview)
      } else {
        images.push(event.image)
        saved.push(await save(studio, recipe, event.image, saving))
      }
    }
  } finally {
    bar.stop()
  }
  const grid = await saveGrid(studio, recipe, images, saving)
  const seconds = (performance.now() - started) / 1000
  if (options.json) {
    const report = { images: saved, ...(grid !== undefined && { grid }), seconds, notes: recipe.notes }
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    return
  }
  for (const path of [...saved.map((each) => each.path), ...(grid === undefined ? [] : [grid])]) {
    process.stdout.write(`${path}\n`)
  }
}

/** Shows the pictures of a batch as they are at a step; whoever looks at the file never sees half of one. */
async function savePreview(studio: Studio, denoised: Tensor, path: string): Promise<void> {
  const pictures = await previewPictures(studio, denoised)
  const grid = pictureGrid(pictures, gridRows(pictures.length, 'square', pictures.length))
  await saveWhole(path, await encodePng(grid))
}

function savingOf({ out, format }: GenerateOptions): Saving {
  return {
    ...(out !== undefined && { folder: resolve(out), subfolder: '' }),
    ...(format !== undefined && { format }),
  }
}

interface SavedImage {
  readonly path: string
  readonly seed: number
  readonly width: number
  readonly height: number
  readonly infotext: string
}

async function save(studio: Studio, recipe: Recipe, image: GeneratedImage, saving: Saving): Promise<SavedImage> {
  const path = await saveImage(studio, recipe, image, saving)
  const { width, height } = image.picture
  return { path, seed: recipe.images[image.index]!.seed, width, height, infotext: image.infotext }
}
