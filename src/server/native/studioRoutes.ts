import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { samplers } from '../../diffusion/samplers/index.ts'
import { scheduleList } from '../../diffusion/schedules.ts'
import { StudioError } from '../../errors.ts'
import { toRgb } from '../../image/channels.ts'
import { decodePicture } from '../../image/decode.ts'
import { generateTask } from '../../jobs/generateTask.ts'
import { runTask } from '../../jobs/runTask.ts'
import type { CatalogEntry } from '../../pipeline/catalog.ts'
import { checkpointTitle } from '../../pipeline/findCheckpoint.ts'
import { latentUpscalers } from '../../pipeline/latentUpscale.ts'
import { builtInUpscalers } from '../../pipeline/library.ts'
import { judge, verifiableRequest } from '../../pipeline/verify.ts'
import { recipeFromRequest } from '../../pipeline/wire/recipeFromRequest.ts'
import { hangUp, userOf } from '../caller.ts'
import { systemInfo } from '../operations/systemInfo.ts'
import type { NativeServices } from './nativeServices.ts'
import { errors } from './replies.ts'
import { Models, ref, System, Verdict } from './schemas.ts'

/** What there is to work with, and whether pictures are what they say. */
export const studioRoutes: FastifyPluginAsyncTypebox<NativeServices> = async (app, services) => {
  const { queue, studio } = services
  const { library } = studio

  app.get(
    '/models',
    {
      schema: {
        tags: ['studio'],
        summary: 'Models, samplers, schedulers and styles, as they are on disk now',
        response: { 200: ref(Models) },
      },
    },
    async () => ({
      checkpoints: library.checkpoints().map((file) => ({
        name: file.stem,
        title: checkpointTitle(file),
        hash: file.sha256 ?? null,
        nativeSize: library.nativeSize(file.path) ?? null,
      })),
      vaes: library.vaes().map(modelOf),
      networks: library.networks().map(modelOf),
      embeddings: library.embeddings().map(modelOf),
      upscalers: [...builtInUpscalers, ...library.upscalers().map(({ stem }) => stem)],
      latentUpscalers: [...latentUpscalers.keys()],
      samplers: samplers.map(({ label, aliases }) => ({ name: label, aliases: [...aliases] })),
      schedulers: scheduleList.map(({ name, label }) => ({ name, label })),
      styles: studio.styles().map(({ name, prompt, negativePrompt }) => ({ name, prompt, negativePrompt })),
      selected: studio.options.sd_model_checkpoint,
    }),
  )

  app.post(
    '/verify',
    {
      schema: {
        tags: ['studio'],
        summary: 'Render a picture again from what it says about itself, and compare',
        body: Type.Object({
          image: Type.String({ description: 'The file as base64, with or without a data: prefix' }),
        }),
        response: { 200: ref(Verdict), ...errors(409, 413, 422, 429) },
      },
    },
    async (request, reply) => {
      const bytes = bytesOf(request.body.image)
      const original = toRgb(await decodePicture(bytes))
      const { endpoint, body } = await verifiableRequest(bytes, 'image')
      const recipe = await recipeFromRequest(body, endpoint, studio)
      const options = { user: userOf(request), signal: hangUp(reply), title: 'verify' }
      const { id, result } = await runTask(queue, generateTask(endpoint, recipe), options)
      const first = result.pictures[0]
      if (!first) throw new Error('internal: a recipe without a picture')
      const now = toRgb(await decodePicture(await queue.file(id, first.file)))
      const { psnr, reasons, ...verdict } = judge(original, now, recipe)
      return { ...verdict, reasons: [...reasons], psnr: Number.isFinite(psnr) ? psnr : null }
    },
  )

  app.get(
    '/system',
    { schema: { tags: ['studio'], summary: 'Versions, machine and state', response: { 200: ref(System) } } },
    () => systemInfo(services),
  )
}

function modelOf({ stem, relativePath }: CatalogEntry) {
  return { name: stem, title: relativePath, hash: null }
}

function bytesOf(text: string): Uint8Array {
  const base64 = /^(?:data:image\/[\w.+-]+;base64,)?([\w+/]+={0,2})$/.exec(text)?.[1]
  if (base64 !== undefined) return Buffer.from(base64, 'base64')
  throw new StudioError('bad-request', 'image: expected a picture file as base64', { field: 'image' })
}
