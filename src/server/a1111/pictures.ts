import type { FastifyInstance } from 'fastify'
import { StudioError } from '../../errors.ts'
import { generateTask } from '../../jobs/generateTask.ts'
import { runTask } from '../../jobs/runTask.ts'
import { keepGrid } from '../../pipeline/saveImage.ts'
import { type GenerationInfo, infoOf } from '../../pipeline/wire/info.ts'
import { overrideOptions } from '../../pipeline/wire/options.ts'
import { recipeFromRequest } from '../../pipeline/wire/recipeFromRequest.ts'
import type { Endpoint } from '../../pipeline/wire/request.ts'
import { withInfotext } from '../../pipeline/wire/requestFromInfotext.ts'
import { isIdle } from '../../pipeline/wire/scripts.ts'
import { findScript } from '../../scripts/index.ts'
import { hangUp, userOf } from '../caller.ts'
import { withNamedPictures } from '../namedPictures.ts'
import type { Context } from './context.ts'
import { httpException } from './errors.ts'
import { readFields } from './fieldTypes.ts'
import { encodeFile, type OutputFormat, sampleGrid } from './outputs.ts'
import { pictureFields } from './pictureFields.ts'
import { failAsReference, pictureFailure } from './referenceFailures.ts'
import { type Call, route } from './route.ts'
import { taskId } from './taskIds.ts'

type Values = Readonly<Record<string, unknown>>

/** POST /sdapi/v1/txt2img and img2img: the answer waits for the job; whoever would rather poll asks /progress. */
export function pictureRoutes(app: FastifyInstance, context: Context): void {
  for (const endpoint of ['txt2img', 'img2img'] as const) {
    const summary = endpoint === 'txt2img' ? 'Pictures from a prompt' : 'Pictures from a prompt and pictures'
    route(app, 'POST', `/sdapi/v1/${endpoint}`, { summary, fields: pictureFields[endpoint] }, (call) =>
      make(endpoint, call, context),
    )
  }
}

/** What a job has come to: PNG files by name, and what is told of them. */
interface Made {
  readonly files: readonly Uint8Array[]
  /** What was understood differently from what was asked. */
  readonly notes: readonly string[]
  readonly info: GenerationInfo
}

async function make(endpoint: Endpoint, call: Call, context: Context) {
  const { studio, settings, options } = context
  studio.optionsFile.refresh()
  const { infotext } = call.values
  const values: Values =
    typeof infotext === 'string' && infotext !== ''
      ? { ...readFields(pictureFields[endpoint], withInfotext(call.body)), infotext }
      : call.values
  checkScripts(endpoint, values)
  if (endpoint === 'img2img' && !isFilled(values.init_images)) throw httpException(404, 'Init image not found')
  if (settings.isLenient) failAsReference(values, studio)

  const own = (values.override_settings ?? {}) as Record<string, unknown>
  const overrides = options.overrides(own)
  const asked = (withInfotext(call.body) ?? {}) as Values
  // A size that nobody asked for is left to the checkpoint.
  const isOpen = (key: string) => (key === 'width' || key === 'height') && (asked[key] ?? null) === null
  const wanted: Values = {
    ...Object.fromEntries(
      Object.entries(values).filter(([key, value]) => value !== null && key !== 'infotext' && !isOpen(key)),
    ),
    override_settings: overrides,
  }
  const run = isNamed(values.script_name) ? runScripted : runPlain
  const made = await withNamedPictures(wanted, studio, hangUp(call.reply))
    .then((body) => run(endpoint, body, call, context))
    .catch((error: unknown) => {
      throw settings.isLenient && isAboutPicture(error) ? pictureFailure(error) : error
    })
  if (values.override_settings_restore_afterwards === false) options.leaveBehind(own)

  if (made.notes.length > 0) call.reply.header('x-athanor-notes', asciiJson(made.notes))
  const format: OutputFormat = overrideOptions(studio.options, overrides)
  return {
    images: values.send_images === false ? [] : await Promise.all(made.files.map((png) => encodeFile(png, format))),
    parameters: echo(endpoint, values),
    info: JSON.stringify(made.info),
  }
}

/** JSON that fits into a header. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Whether an error says that a picture of the request is none. */
function isAboutPicture(error: unknown): error is StudioError {
  return error instanceof StudioError && /^(init_images\.\d+|mask|latent_mask|firstpass_image)$/.test(error.field ?? '')
}

/** The request's fields as they were understood; start pictures only where they are wanted back. */
function echo(endpoint: Endpoint, values: Values): Values {
  return endpoint === 'img2img' && values.include_init_images !== true
    ? { ...values, init_images: null, mask: null }
    : values
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}

function isNamed(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== 'None'
}

/** Scripts that are not there are refused in the reference's words, however requests are read. */
function checkScripts(endpoint: Endpoint, values: Values): void {
  const { script_name: name, alwayson_scripts: always } = values
  if (isNamed(name) && !findScript(name, endpoint)) throw httpException(422, `Script '${name}' not found`)
  for (const [title, entry] of Object.entries((always as object | null) ?? {})) {
    if (findScript(title, endpoint)) {
      throw httpException(422, 'Cannot have a selectable script in the always on scripts params')
    }
    const { args } = (entry ?? {}) as { readonly args?: unknown }
    const isKnown = isIdle(title, Array.isArray(args) ? args : []) || title.toLowerCase() === 'soft inpainting'
    if (!isKnown) throw httpException(422, `Script '${title}' not found`)
  }
}

async function runPlain(endpoint: Endpoint, body: Values, call: Call, context: Context): Promise<Made> {
  const { queue, studio, settings } = context
  const recipe = await recipeFromRequest(body, endpoint, studio, { lenient: settings.isLenient, floats: call.floats })
  const options = overrideOptions(studio.options, body.override_settings as Record<string, unknown>)
  const saves = body.save_images === true
  const task = generateTask(endpoint, recipe, {
    saving: saves && options.samples_save,
    preview: { everySteps: previewSteps(context) },
  })
  const { id, result } = await runTask(queue, task, submitted(endpoint, body, call))
  const samples = await Promise.all(
    result.pictures.map(async ({ file, byProducts = [] }) => ({
      sample: await queue.file(id, file),
      beside: await Promise.all(byProducts.map((each) => queue.file(id, each.file))),
    })),
  )
  const files = samples.flatMap(({ sample, beside }) => [sample, ...beside])
  const strength = typeof body.denoising_strength === 'number' ? body.denoising_strength : undefined
  const info = infoOf(recipe, { ...result, infotexts: result.pictures.map(({ infotext }) => infotext) }, strength)
  const { notes } = recipe
  if (!saves) return { files, info, notes }
  const painted = samples.map(({ sample }) => sample)
  const grid = await sampleGrid(painted, info, recipe, options.return_grid, (picture, infotext) => {
    const image = { index: 0, picture, infotext, firstPass: undefined, byProducts: [], jobTime: result.jobTime }
    return keepGrid(studio, { ...recipe, checkpoint: result.checkpoint }, image, picture, 'grid')
  })
  return grid ? { files: [grid.png, ...files], info: grid.info, notes } : { files, info, notes }
}

async function runScripted(endpoint: Endpoint, body: Values, call: Call, context: Context): Promise<Made> {
  const { queue, settings } = context
  const task = {
    kind: 'script',
    request: { endpoint, body, lenient: settings.isLenient, floats: [...call.floats] },
    checkpoint: heldBy(body, context),
    preview: { everySteps: previewSteps(context) },
  } as const
  const { id, result } = await runTask(queue, task, submitted(endpoint, body, call))
  return {
    files: await Promise.all(result.outputs.map((file) => queue.file(id, file))),
    info: result.info,
    notes: result.notes,
  }
}

/** The checkpoint that a request begins with: jobs go to whoever holds it. */
function heldBy(body: Values, { studio }: Context): string | undefined {
  const { sd_model_checkpoint: wanted } = (body.override_settings ?? {}) as Record<string, unknown>
  const name = typeof wanted === 'string' ? wanted : (studio.options.sd_model_checkpoint ?? '')
  return studio.library.chosenCheckpoint(name)?.path
}

function submitted(endpoint: Endpoint, body: Values, { request, reply }: Call) {
  return { user: userOf(request), tag: taskId(endpoint, body.force_task_id), signal: hangUp(reply) }
}

/** Steps between two previews; 0 for none. */
function previewSteps({ options }: Context): number {
  const every = options.get('show_progress_every_n_steps')
  return options.get('live_previews_enable') === true && typeof every === 'number' && every > 0 ? Math.trunc(every) : 0
}
