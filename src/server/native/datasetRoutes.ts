import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { readExclusions, writeExclusions } from '../../dataset/exclusions.ts'
import { openSet, type PictureSet } from '../../dataset/pictureSet.ts'
import { StudioError } from '../../errors.ts'
import { replaceFile } from '../../files/replaceFile.ts'
import { decodePicture, pictureFormat, thumbnail } from '../../image/decode.ts'
import { hangUp } from '../caller.ts'
import { checkedName, DatasetFolders } from './datasetFolders.ts'
import { datasetToWire } from './datasetWire.ts'
import type { NativeServices } from './nativeServices.ts'
import { errors, Id } from './replies.ts'
import { ref } from './schemas.ts'
import { Dataset, DatasetReport } from './trainingSchemas.ts'

const side = Type.Integer({ minimum: 64, maximum: 8192 })
const Size = Type.Object({ width: side, height: side })
const Names = Type.Array(Type.String({ maxLength: 1000 }), { maxItems: 10_000 })
const word = Type.String({ minLength: 1, maxLength: 1000 })

const extensions = { png: '.png', jpeg: '.jpg', webp: '.webp', avif: '.avif' } as const
const thumbnailSide = 320

/** Sets of pictures to train on, below `datasets/` of the data folder. */
export const datasetRoutes: FastifyPluginAsyncTypebox<NativeServices> = async (app, services) => {
  const { studio, errands, prefix, settings } = services
  const folders = new DatasetFolders(studio.dataDir)
  const tags = ['training']
  const wire = (id: string) => datasetToWire(id, openSet(folders.find(id)), `${settings.subpath}${prefix}`)

  app.get(
    '/datasets',
    {
      schema: {
        tags,
        summary: 'List sets of pictures',
        response: { 200: Type.Object({ datasets: Type.Array(Type.String()) }) },
      },
    },
    async () => ({ datasets: folders.names().filter((name) => isSet(folders.find(name))) }),
  )

  app.post(
    '/datasets',
    {
      schema: {
        tags,
        summary: 'Put pictures into a set, which is made where it is not there',
        body: Type.Object({
          id: Type.String({ maxLength: 100 }),
          repeats: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1 })),
          subject: Type.String({ maxLength: 100, description: 'What the pictures show; a caption for those without' }),
          pictures: Type.Array(
            Type.Object({
              name: Type.String({ maxLength: 100, description: 'Without extension' }),
              image: Type.String({ description: 'The file as base64, with or without a data: prefix' }),
              caption: Type.Optional(Type.String({ maxLength: 100_000 })),
            }),
            { minItems: 1, maxItems: 1000 },
          ),
        }),
        response: { 201: ref(Dataset), ...errors(409, 413, 422) },
      },
    },
    async ({ body: { id, repeats = 1, subject, pictures } }, reply) => {
      const folder = join(folders.place(id, 'id'), checkedName(`${repeats}_${subject}`, 'subject'))
      const files = await Promise.all(pictures.map((picture, i) => fileOf(picture, folder, `pictures.${i}`)))
      for (const [path, bytes] of files.flat()) replaceFile(path, [bytes])
      return reply.code(201).send(wire(id))
    },
  )

  app.get(
    '/datasets/:id',
    { schema: { tags, summary: 'Look at a set', params: Id, response: { 200: ref(Dataset), ...errors(404, 422) } } },
    async ({ params: { id } }) => wire(id),
  )

  app.get(
    '/datasets/:id/picture',
    {
      schema: {
        tags,
        summary: 'A small copy of a picture, as WebP',
        params: Id,
        querystring: Type.Object({ name: Type.String({ maxLength: 1000 }) }),
        produces: ['image/webp'],
        response: { 200: Type.Unsafe({ type: 'string', format: 'binary' }), ...errors(404, 422) },
      },
    },
    async ({ params: { id }, query: { name } }, reply) => {
      const { path } = pictureOf(openSet(folders.find(id)), name)
      return reply.type('image/webp').send(await thumbnail(await readFile(path), thumbnailSide))
    },
  )

  app.post(
    '/datasets/:id/report',
    {
      schema: {
        tags,
        summary: 'Judge every picture of a set and the set',
        params: Id,
        body: Type.Object({
          resolution: Type.Optional(Size),
          batch: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
          trigger: Type.Optional(word),
        }),
        response: { 200: ref(DatasetReport), ...errors(404, 422, 429) },
      },
    },
    async ({ params: { id }, body: { resolution = { width: 512, height: 512 }, batch = 1, trigger } }, reply) => {
      const asked = { folder: folders.find(id), target: [resolution.width, resolution.height] as const, batch, trigger }
      const { grade, target, set, copies, buckets, pictures, skipped } = await errands.run(
        'report',
        asked,
        hangUp(reply),
      )
      return {
        grade,
        target: [...target],
        set: [...set],
        copies: copies.map((each) => ({ ...each, names: [...each.names] })),
        buckets: buckets.map((each) => ({ ...each, size: [...each.size] })),
        pictures: pictures.map(({ name, grade, verdicts, advice, excluded }) => ({
          ...{ name, grade, verdicts: [...verdicts] },
          advice: advice ?? null,
          excluded: excluded ?? null,
        })),
        skipped: [...skipped],
      }
    },
  )

  app.post(
    '/datasets/:id/exclude',
    {
      schema: {
        tags,
        summary: 'Leave pictures out of a set; their files stay',
        params: Id,
        body: Type.Object({ pictures: Names, reason: Type.Optional(Type.String({ maxLength: 1000 })) }),
        response: { 200: ref(Dataset), ...errors(404, 422) },
      },
    },
    async ({ params: { id }, body: { pictures, reason = 'by hand' } }) => {
      const set = openSet(folders.find(id))
      for (const name of pictures) pictureOf(set, name)
      writeExclusions(set.root, new Map([...set.excluded, ...pictures.map((name) => [name, reason] as const)]))
      return wire(id)
    },
  )

  app.post(
    '/datasets/:id/include',
    {
      schema: {
        tags,
        summary: 'Take pictures back that were left out; without names, all of them',
        params: Id,
        body: Type.Object({ pictures: Type.Optional(Names) }),
        response: { 200: ref(Dataset), ...errors(404, 422) },
      },
    },
    async ({ params: { id }, body: { pictures } }) => {
      const folder = folders.find(id)
      const excluded = new Map(readExclusions(folder))
      for (const name of pictures ?? [...excluded.keys()]) {
        if (!excluded.delete(name)) throw unknownPicture(name)
      }
      writeExclusions(folder, excluded)
      return wire(id)
    },
  )

  app.post(
    '/datasets/:id/crop',
    {
      schema: {
        tags,
        summary: 'Cut the pictures of a set to a size, into another set',
        params: Id,
        body: Type.Object({
          into: Type.String({ maxLength: 100, description: 'The other set, which must not be there' }),
          mode: Type.Optional(Type.Enum(['center', 'focal', 'box'], { default: 'focal' })),
          size: Type.Optional(Size),
          box: Type.Optional(
            Type.Object({
              ...{ left: Type.Integer(), top: Type.Integer(), right: Type.Integer(), bottom: Type.Integer() },
            }),
          ),
          flips: Type.Optional(Type.Boolean({ description: 'A mirrored copy of each' })),
        }),
        response: {
          201: Type.Object({
            dataset: ref(Dataset),
            failed: Type.Array(Type.Object({ name: Type.String(), problem: Type.String() })),
          }),
          ...errors(404, 409, 422, 429),
        },
      },
    },
    async (
      { params: { id }, body: { into, mode = 'focal', size = { width: 512, height: 512 }, box, flips = false } },
      reply,
    ) => {
      const out = folders.place(into, 'into')
      if (existsSync(out))
        throw new StudioError('conflict', `into: there is a set "${into}" already`, { field: 'into' })
      if (mode === 'box' && !box) throw new StudioError('bad-request', 'box: is missing', { field: 'box' })
      const { failed } = await errands.run(
        'crop',
        { folder: folders.find(id), out, mode, size: [size.width, size.height], box, hasFlips: flips },
        hangUp(reply),
      )
      return reply.code(201).send({ dataset: wire(into), failed: [...failed] })
    },
  )
}

/** The files of a picture that came over HTTP: itself, its bytes as they are, and its caption. */
async function fileOf(
  { name, image, caption }: { readonly name: string; readonly image: string; readonly caption?: string },
  folder: string,
  field: string,
): Promise<(readonly [path: string, bytes: Uint8Array])[]> {
  const base64 = /^(?:data:image\/[\w.+-]+;base64,)?([\w+/]+={0,2})$/.exec(image)?.[1]
  const bytes = base64 === undefined ? new Uint8Array() : Buffer.from(base64, 'base64')
  const format = pictureFormat(bytes)
  if (format === undefined || !Object.hasOwn(extensions, format)) {
    throw new StudioError('bad-request', `${field}.image: expected a PNG, JPEG, WebP or AVIF as base64`, {
      field: `${field}.image`,
    })
  }
  // One that breaks off would stop a training hours later.
  await decodePicture(bytes)
  const stem = join(folder, checkedName(name, `${field}.name`))
  if (Object.values(extensions).some((extension) => existsSync(stem + extension))) {
    throw new StudioError('conflict', `${field}.name: there is a picture "${name}" already`, { field: `${field}.name` })
  }
  const picture = [stem + extensions[format as keyof typeof extensions], bytes] as const
  return caption === undefined ? [picture] : [picture, [`${stem}.txt`, new TextEncoder().encode(`${caption}\n`)]]
}

function pictureOf({ pictures }: PictureSet, name: string): PictureSet['pictures'][number] {
  const found = pictures.find((picture) => picture.name === name && extname(name) !== '')
  if (!found) throw unknownPicture(name)
  return found
}

function unknownPicture(name: string): StudioError {
  return new StudioError('not-found', `the set has no picture "${name}"`, { field: 'pictures' })
}

function isSet(folder: string): boolean {
  try {
    return openSet(folder).pictures.length > 0
  } catch (error) {
    if (error instanceof StudioError) return false
    throw error
  }
}
