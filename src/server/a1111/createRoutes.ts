import type { FastifyInstance } from 'fastify'
import { StudioError } from '../../errors.ts'
import { createEmbedding } from '../../pipeline/createEmbedding.ts'
import type { Context } from './context.ts'
import { bool, given, int, limited, mandatory, str } from './fieldTypes.ts'
import { route } from './route.ts'

const embeddingFields = [
  mandatory('name', str),
  given('num_vectors_per_token', limited(int, { ge: 1, le: 75 }), 1),
  given('overwrite_old', bool, false),
  given('init_text', str, '*'),
]

/** Making of embeddings; hypernetworks are refused by name. */
export function createRoutes(app: FastifyInstance, { studio }: Context): void {
  route(
    app,
    'POST',
    '/sdapi/v1/create/embedding',
    { summary: 'Begin an embedding', fields: embeddingFields },
    ({ values }) => {
      const path = createEmbedding(studio, {
        name: String(values.name),
        vectors: Number(values.num_vectors_per_token),
        overwrite: values.overwrite_old === true,
        text: String(values.init_text),
      })
      return { info: `create embedding filename: ${path}` }
    },
  )
  for (const [path, what] of [
    ['create/hypernetwork', 'hypernetworks cannot be made'],
    ['train/hypernetwork', 'hypernetworks cannot be trained'],
  ] as const) {
    route(app, 'POST', `/sdapi/v1/${path}`, { summary: `Refused: ${what}`, isFree: true }, () => {
      throw new StudioError('unsupported', what)
    })
  }
}
