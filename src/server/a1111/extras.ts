import type { FastifyInstance } from 'fastify'
import { samplers } from '../../diffusion/samplers/index.ts'
import { StudioError } from '../../errors.ts'
import { toRgb } from '../../image/channels.ts'
import { decodePicture } from '../../image/decode.ts'
import { encodePng } from '../../image/encode.ts'
import { parseInfotext } from '../../image/parseInfotext.ts'
import type { Rgb8 } from '../../image/picture.ts'
import { readInfotext } from '../../image/readInfotext.ts'
import { runTask } from '../../jobs/runTask.ts'
import { checkPostprocessing, type Postprocessing } from '../../pipeline/postprocess.ts'
import { bytesFromWire } from '../../pipeline/wire/pictures.ts'
import { hangUp, userOf } from '../caller.ts'
import { namedPicture } from '../namedPictures.ts'
import type { Context } from './context.ts'
import { httpException, ReferenceFailure } from './errors.ts'
import { extraBatchFields, extraSingleFields, interrogateFields, pngInfoFields } from './extrasFields.ts'
import { interrogate } from './interrogate.ts'
import { base64, encodeFile } from './outputs.ts'
import { pictureFailure, refuseDownload } from './referenceFailures.ts'
import { type Call, route } from './route.ts'

/** Work on finished pictures, and what they tell of themselves. */
export function extrasRoutes(app: FastifyInstance, context: Context): void {
  route(
    app,
    'POST',
    '/sdapi/v1/extra-single-image',
    { summary: 'Enlarge a picture', fields: extraSingleFields },
    async (call) => {
      const source = await sourceOf(call.values.image, 'image', call, context)
      const { images, html_info } = await enlarge([source], call, context)
      return { html_info, image: images[0] }
    },
  )
  route(
    app,
    'POST',
    '/sdapi/v1/extra-batch-images',
    { summary: 'Enlarge pictures', fields: extraBatchFields },
    async (call) => {
      const list = call.values.imageList as readonly { readonly data: string }[]
      const sources: Source[] = []
      for (const [i, { data }] of list.entries()) {
        sources.push(await sourceOf(data, `imageList.${i}.data`, call, context))
      }
      return sources.length === 0 ? { html_info: '', images: [] } : enlarge(sources, call, context)
    },
  )
  route(
    app,
    'POST',
    '/sdapi/v1/png-info',
    { summary: 'What a picture tells of itself', fields: pngInfoFields },
    async (call) => {
      const { bytes } = await sourceOf(call.values.image, 'image', call, context)
      const { infotext = '', items } = await readInfotext(bytes, samplerName)
      const { prompt, negativePrompt, values } = parseInfotext(infotext, { backwardCompatible: true })
      const parameters =
        infotext === '' ? {} : { Prompt: prompt, 'Negative prompt': negativePrompt, ...Object.fromEntries(values) }
      return { info: infotext, items: Object.fromEntries(items), parameters }
    },
  )
  route(
    app,
    'POST',
    '/sdapi/v1/interrogate',
    { summary: 'Describe a picture', fields: interrogateFields },
    async (call) => {
      const { model, image } = call.values
      if (model !== 'clip' && model !== 'deepdanbooru') throw httpException(404, 'Model not found')
      const { picture } = await sourceOf(image, 'image', call, context)
      return { caption: await interrogate(picture, model, call, context) }
    },
  )
}

/** A picture as it came, and as pixels. */
interface Source {
  readonly bytes: Uint8Array
  readonly picture: Rgb8
}

/** A picture of a request. Where requests are read leniently, the reference's words tell that it is none. */
async function sourceOf(text: unknown, field: string, { reply }: Call, { studio, settings }: Context): Promise<Source> {
  try {
    const bytes = bytesFromWire(await namedPicture(String(text), field, studio, hangUp(reply)), field)
    return { bytes, picture: toRgb(await decodePicture(bytes)) }
  } catch (error) {
    if (!(error instanceof StudioError)) throw error
    if (settings.isLenient) throw pictureFailure(error)
    throw new StudioError(error.code, error.field === field ? error.message : `${field}: ${error.message}`, {
      cause: error,
      field,
    })
  }
}

/** Samplers as other programs call them. */
function samplerName(alias: string): string | undefined {
  return samplers.find(({ aliases }) => aliases.includes(alias))?.label
}

async function enlarge(
  sources: readonly Source[],
  { values, request, reply }: Call,
  { queue, studio, settings }: Context,
) {
  studio.optionsFile.refresh()
  const { options } = studio
  const wanted: Postprocessing = {
    upscaler: String(values.upscaler_1),
    secondUpscaler: String(values.upscaler_2),
    secondVisibility: Number(values.extras_upscaler_2_visibility),
    size:
      values.resize_mode === 0
        ? { kind: 'scale', scale: Number(values.upscaling_resize) }
        : {
            kind: 'size',
            width: Number(values.upscaling_resize_w),
            height: Number(values.upscaling_resize_h),
            crops: values.upscaling_crop === true,
          },
    gfpganVisibility: Number(values.gfpgan_visibility),
    codeformerVisibility: Number(values.codeformer_visibility),
    tiles: { size: options.ESRGAN_tile, overlap: options.ESRGAN_tile_overlap },
  }
  try {
    checkPostprocessing(studio, wanted)
  } catch (error) {
    if (settings.isLenient && error instanceof StudioError && error.code === 'unknown-name') {
      const name = error.field === 'upscaler_1' ? wanted.upscaler : wanted.secondUpscaler
      refuseDownload(name, error.field ?? 'upscaler_1')
      throw new ReferenceFailure(500, { error: 'AssertionError', errors: `could not find upscaler named ${name}` })
    }
    throw error
  }
  const task = { kind: 'postprocess', pictures: sources.map(({ picture }) => picture), settings: wanted } as const
  const { id, result } = await runTask(queue, task, { user: userOf(request), signal: hangUp(reply) })
  const images = await Promise.all(
    result.outputs.map(async (file, i) => {
      const png = await queue.file(id, file)
      return retold(png, sources[i]!, result.infotexts[i]!, options)
    }),
  )
  return { html_info: html(result.infotexts[0] ?? ''), images }
}

/** A picture with what its source told of itself, and what was done. */
async function retold(
  png: Uint8Array,
  { bytes }: Source,
  infotext: string,
  options: Parameters<typeof encodeFile>[1],
): Promise<string> {
  const before = await readInfotext(bytes)
  const told = before.infotext === undefined ? [] : [['parameters', before.infotext] as const]
  const done = infotext === '' ? [] : [['postprocessing', infotext] as const]
  const file = await encodePng(await decodePicture(png), { text: [...told, ...before.items, ...done] })
  return options.samples_format.toLowerCase() === 'png' ? base64(file) : encodeFile(file, options)
}

/** Text as the reference puts it into its page. */
function html(text: string): string {
  const escaped = text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#x27;')
  return `<p>${escaped.split('\n').join('<br>\n')}</p>`
}
