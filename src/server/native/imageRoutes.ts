import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { StudioError } from '../../errors.ts'
import { thumbnail } from '../../image/decode.ts'
import { saveWhole } from '../../image/save.ts'
import type { NativeServices } from './nativeServices.ts'
import { errors, Id } from './replies.ts'
import { Image, ImagePage, ref } from './schemas.ts'

const types: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.gif': 'image/gif',
}

const thumbnailSide = 320
const binary = Type.Unsafe({ type: 'string', format: 'binary' })

/** The gallery: pictures that were saved, found by what they say about themselves. */
export const imageRoutes: FastifyPluginAsyncTypebox<NativeServices> = async (
  app,
  { gallery, studio, settings, wire },
) => {
  const cacheDir = settings.cacheDir ?? join(studio.dataDir, 'cache')
  const tags = ['images']

  app.get(
    '/images',
    {
      schema: {
        tags,
        summary: 'Search saved pictures, newest first',
        querystring: Type.Object({
          text: Type.Optional(Type.String({ maxLength: 1000, description: 'Words that the prompts hold' })),
          model: Type.Optional(Type.String({ description: 'Name of a checkpoint, as infotexts have it' })),
          from: Type.Optional(Type.String({ format: 'date-time' })),
          to: Type.Optional(Type.String({ format: 'date-time' })),
          favourite: Type.Optional(Type.Boolean()),
          cursor: Type.Optional(Type.String({ maxLength: 100 })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
        }),
        response: { 200: ref(ImagePage), ...errors(422) },
      },
    },
    async ({ query: { text, model, from, to, favourite, cursor, limit = 50 } }) => {
      const { images, next } = gallery.find({
        limit,
        ...(text !== undefined && { text }),
        ...(model !== undefined && { model }),
        ...(from !== undefined && { from: new Date(from) }),
        ...(to !== undefined && { to: new Date(to) }),
        ...(favourite !== undefined && { isFavourite: favourite }),
        ...(cursor !== undefined && { cursor }),
      })
      return { images: images.map((image) => wire.image(image)), next: next ?? null }
    },
  )

  app.get(
    '/images/:id',
    { schema: { tags, summary: 'A saved picture', params: Id, response: { 200: ref(Image), ...errors(404) } } },
    async ({ params: { id } }) => wire.image(gallery.get(id)),
  )

  app.patch(
    '/images/:id',
    {
      schema: {
        tags,
        summary: 'Make a picture a favourite, or no longer',
        params: Id,
        body: Type.Object({ isFavourite: Type.Boolean() }),
        response: { 200: ref(Image), ...errors(404, 422) },
      },
    },
    async ({ params: { id }, body: { isFavourite } }) => wire.image(gallery.setFavourite(id, isFavourite)),
  )

  app.delete(
    '/images/:id',
    { schema: { tags, summary: 'Delete a picture', params: Id, response: { 204: Type.Null(), ...errors(404) } } },
    async ({ params: { id } }, reply) => {
      await gallery.delete(id)
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/images/:id/file',
    {
      schema: {
        tags,
        summary: 'The file of a picture, with its infotext',
        params: Id,
        produces: Object.values(types),
        response: { 200: binary, ...errors(404) },
      },
    },
    async ({ params: { id } }, reply) => {
      const { path } = await gallery.file(id)
      const type = types[extname(path).toLowerCase()]
      if (type === undefined) throw new StudioError('not-found', `image ${id} is no picture`)
      reply.type(type).header('cache-control', 'private, max-age=86400')
      return reply.send(createReadStream(path))
    },
  )

  app.get(
    '/images/:id/thumbnail',
    {
      schema: {
        tags,
        summary: 'A small copy of a picture, as WebP',
        params: Id,
        produces: ['image/webp'],
        response: { 200: binary, ...errors(404, 422) },
      },
    },
    async ({ params: { id } }, reply) => {
      const { path } = await gallery.file(id)
      const { mtimeMs } = await stat(path)
      const kept = join(cacheDir, 'thumbnails', `${id}-${Math.round(mtimeMs)}.webp`)
      const bytes = await readFile(kept).catch(async () => {
        const made = await thumbnail(await readFile(path), thumbnailSide)
        await saveWhole(kept, made)
        return made
      })
      return reply.type('image/webp').header('cache-control', 'private, max-age=86400').send(bytes)
    },
  )
}
