import { readFileSync, statSync } from 'node:fs'
import { extname } from 'node:path'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { StudioError } from '../../errors.ts'
import { openWeights } from '../../files/openWeights.ts'
import { pictureFormat } from '../../image/decode.ts'
import type { CatalogEntry } from '../../pipeline/catalog.ts'
import type { Studio } from '../../pipeline/studio.ts'
import type { Context } from './context.ts'
import { httpException } from './errors.ts'
import { plainValue } from './lists.ts'
import { route } from './route.ts'

type Query = Readonly<Record<string, unknown>>

const text = { type: 'string' }
const largestPreview = 32 * 2 ** 20

/**
 * What the reference's page shows of model files: preview pictures and the metadata of trainers. A caller names pages and models,
 * and files only of those that are previews of listed models.
 */
export function networkCardRoutes(app: FastifyInstance, { studio }: Context): void {
  const about = { page: text, item: text }
  route(
    app,
    'GET',
    '/sd_extra_networks/metadata',
    { summary: 'What a model file tells of itself', query: about },
    ({ request }) => {
      const metadata = metadataOf(studio, request.query as Query)
      return metadata.size === 0 ? {} : { metadata: JSON.stringify(plain(metadata), null, 4) }
    },
  )
  app.route({
    method: 'GET',
    url: '/sd_extra_networks/thumb',
    schema: {
      summary: 'The preview picture of a model file',
      tags: ['A1111'],
      querystring: object({ filename: text }),
    },
    handler: async ({ query }, reply) => {
      const { filename } = query as Query
      const known = Object.keys(pages).flatMap((page) => filesOf(studio, page).flatMap(({ path }) => previewsOf(path)))
      const path = known.find((preview) => preview === filename)
      return sendPicture(reply, path === undefined ? undefined : smallFile(path))
    },
  })
  app.route({
    method: 'GET',
    url: '/sd_extra_networks/cover-images',
    schema: {
      summary: 'A picture that a network’s file brings along',
      tags: ['A1111'],
      querystring: object({ ...about, index: { type: 'integer', default: 0 } }),
    },
    handler: async ({ query }, reply) => {
      const written = metadataOf(studio, query as Query).get('ssmd_cover_images') ?? ''
      const covers = plainValue(written)
      const cover: unknown = Array.isArray(covers) ? covers[Number((query as Query).index ?? 0)] : undefined
      return sendPicture(reply, typeof cover === 'string' ? Buffer.from(cover, 'base64') : undefined)
    },
  })
  route(
    app,
    'GET',
    '/sd_extra_networks/get-single-card',
    { summary: 'Refused: cards are HTML of another page' },
    () => {
      throw httpException(
        404,
        'this page has no cards; /sdapi/v1/loras and /sd_extra_networks/metadata tell what is on them',
      )
    },
  )
}

/** Pages of the reference by what they show. */
const pages: Readonly<Record<string, (studio: Studio) => readonly CatalogEntry[]>> = {
  checkpoints: ({ library }) => library.checkpoints(),
  lora: ({ library }) => library.networks(),
  'textual inversion': ({ library }) => library.embeddings(),
}

function filesOf(studio: Studio, page: string): readonly CatalogEntry[] {
  const name = page.toLowerCase().replaceAll('_', ' ')
  return Object.hasOwn(pages, name) ? pages[name]!(studio) : []
}

function metadataOf(studio: Studio, { page, item }: Query): ReadonlyMap<string, string> {
  const file = filesOf(studio, String(page ?? '')).find(({ stem }) => stem === item)
  if (!file) return new Map()
  try {
    return openWeights(file.path).metadata
  } catch (error) {
    // What is wrong with a file is told where it is used.
    if (error instanceof StudioError) return new Map()
    throw error
  }
}

function plain(metadata: ReadonlyMap<string, string>): Readonly<Record<string, unknown>> {
  return Object.fromEntries([...metadata].map(([key, value]) => [key, plainValue(value)]))
}

function previewsOf(path: string): readonly string[] {
  const stem = path.slice(0, path.length - extname(path).length)
  const extensions = ['png', 'jpg', 'jpeg', 'webp', 'gif']
  return extensions.flatMap((extension) => [`${stem}.${extension}`, `${stem}.preview.${extension}`])
}

function smallFile(path: string): Uint8Array | undefined {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats?.isFile() && stats.size <= largestPreview ? readFileSync(path) : undefined
}

/** A picture, under the type that its first bytes have; whatever else was found is not sent. */
function sendPicture(reply: FastifyReply, bytes: Uint8Array | undefined): FastifyReply {
  const format = bytes && pictureFormat(bytes)
  if (!format) throw httpException(404, 'File not found')
  return reply.type(`image/${format}`).send(Buffer.from(bytes))
}

function object(properties: Readonly<Record<string, unknown>>) {
  return { type: 'object', properties }
}
