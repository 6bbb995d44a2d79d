import { basename, dirname, join, resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { StudioError } from '../../errors.ts'
import type { Run } from '../../runs/runs.ts'
import { embeddingParameters, readEmbeddingArguments } from '../../train/embedding/parameters.ts'
import { embeddingSettings } from '../../train/embedding/settings.ts'
import type { Given } from '../../train/given.ts'
import { hangUp, userOf } from '../caller.ts'
import { DatasetFolders } from '../native/datasetFolders.ts'
import type { Context } from './context.ts'
import { bool, type Field, float, int, list, mandatory, optional, str } from './fieldTypes.ts'
import { route } from './route.ts'

/** Parameters of a command line that requests do not have: places, and the making of embeddings. */
const own: ReadonlySet<string> = new Set(['checkpoint', 'vae', 'num_vectors_per_token', 'init_text'])
const types = { text: str, number: float, whole: int, flag: bool, list: list(str) } as const

const trainingFields: readonly Field[] = Object.entries(embeddingParameters).flatMap(([name, { kind, fallback }]) => {
  if (own.has(name)) return []
  const isNeeded = name === 'embedding_name' || name === 'data_root'
  return [isNeeded ? mandatory(name, types[kind]) : optional(name, types[kind], fallback ?? null)]
})

/** Training of embeddings, in a process of its own; the answer waits for its end, which takes hours. */
export function trainRoutes(app: FastifyInstance, { studio, runs, options, settings }: Context): void {
  const closing = new AbortController()
  app.addHook('preClose', async () =>
    closing.abort(new StudioError('unreachable', 'the server ends; the training goes on without it')),
  )
  const datasets = new DatasetFolders(studio.dataDir)

  route(
    app,
    'POST',
    '/sdapi/v1/train/embedding',
    { summary: 'Train an embedding, and answer when that is done', fields: trainingFields },
    async ({ values, request, reply }) => {
      const asked = givenOf(values)
      const checkpoint = options.get('sd_model_checkpoint')
      const { identity } = studio.library.checkpoint(typeof checkpoint === 'string' ? checkpoint : '', 'checkpoint')
      const parameters = {
        ...asked,
        log_directory: logFolder(String(asked.log_directory ?? '')),
        data_root: datasets.find(setName(String(asked.data_root), studio.dataDir), 'data_root'),
        checkpoint: identity.path,
      }
      const { embedding } = embeddingSettings(readEmbeddingArguments(Object.entries(parameters)).values, studio)
      const user = userOf(request)
      const { id } = runs.start({ kind: 'embedding', title: undefined, user, asked, parameters, prompts: undefined })
      const run = await runs.ended(id, AbortSignal.any([hangUp(reply), closing.signal]))
      return {
        info: `train embedding complete: filename: ${embedding.path} error: ${errorIn(run, settings.isLenient)}`,
      }
    },
  )
}

/** What was given: null stands for nothing. */
function givenOf(values: Readonly<Record<string, unknown>>): Readonly<Record<string, Given>> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [[name, value as Given]])),
  )
}

/** A set of pictures by its name, or by its path in the data folder. */
function setName(dataRoot: string, dataDir: string): string {
  const path = resolve(dataDir, dataRoot)
  return dirname(path) === join(dataDir, 'datasets') ? basename(path) : dataRoot
}

/** Callers do not choose where files go. */
function logFolder(wanted: string): string {
  const only = 'textual_inversion'
  if (wanted === '' || wanted === only) return only
  throw new StudioError('forbidden', `log_directory: cannot be chosen over HTTP; it is ${only} of the data folder`, {
    field: 'log_directory',
  })
}

/** What became of a training, in the words of the reference, which answers with errors as with successes. */
function errorIn({ error }: Run, isLenient: boolean): string {
  if (!error) return 'None'
  if (isLenient) return error.message
  throw new StudioError(error.code, error.message, { field: error.field })
}
