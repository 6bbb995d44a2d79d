import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { StudioError } from '../../errors.ts'
import { type EventLogs, type LoggedRun, readPicture, type ScalarPoint } from '../../train/log/eventLogs.ts'

/** Points of a curve that are told at once, as many as TensorBoard keeps of one. */
const mostPoints = 1000
/** Files are looked at again after this long. */
const freshMs = 1000

/** Texts that callers give for a run or a tag; runs have the length of a path. */
const name = Type.String({ minLength: 1, maxLength: 4096 })
const hide = { hide: true }

/** The data of TensorBoard's scalars and images plugins, at its addresses, from the event files below a folder. */
export const tensorboardRoutes: FastifyPluginAsyncTypebox<{ readonly logs: EventLogs }> = async (app, { logs }) => {
  let latest: { readonly runs: readonly LoggedRun[]; readonly at: number } | undefined
  const runs = () => {
    if (!latest || performance.now() - latest.at > freshMs) latest = { runs: logs.refresh(), at: performance.now() }
    return latest.runs
  }
  const runOf = (wanted: string) => {
    const run = runs().find((each) => each.name === wanted)
    if (run) return run
    throw new StudioError('not-found', `no run is called "${wanted}"`, { field: 'run' })
  }

  app.get('/data/runs', { schema: hide }, async () => runs().map((run) => run.name))

  app.get('/data/plugin/scalars/tags', { schema: hide }, async () =>
    byRun(runs(), ({ scalars }) =>
      Object.fromEntries([...scalars.keys()].map((tag) => [tag, { displayName: tag, description: '' }])),
    ),
  )

  app.get(
    '/data/plugin/scalars/scalars',
    {
      schema: {
        ...hide,
        querystring: Type.Object({ run: name, tag: name, format: Type.Optional(Type.Enum(['json', 'csv'])) }),
      },
    },
    async ({ query: { run, tag, format } }, reply) => {
      const points = runOf(run).scalars.get(tag)
      if (!points) throw new StudioError('not-found', `run "${run}" has no scalar "${tag}"`, { field: 'tag' })
      const told = sampled(points)
      if (format !== 'csv') return told.map(({ wallTime, step, value }) => [wallTime, step, numberOrWord(value)])
      const lines = told.map(({ wallTime, step, value }) => `${wallTime},${step},${value}\r\n`)
      return reply.type('text/csv; charset=utf-8').send(`Wall time,Step,Value\r\n${lines.join('')}`)
    },
  )

  app.get('/data/plugin/images/tags', { schema: hide }, async () =>
    byRun(runs(), ({ pictures }) =>
      Object.fromEntries([...pictures.keys()].map((tag) => [tag, { displayName: tag, description: '', samples: 1 }])),
    ),
  )

  app.get(
    '/data/plugin/images/images',
    { schema: { ...hide, querystring: Type.Object({ run: name, tag: name, sample: Type.Optional(Type.Integer()) }) } },
    async ({ query: { run, tag } }) => {
      const pictures = runOf(run).pictures.get(tag)
      if (!pictures) throw new StudioError('not-found', `run "${run}" has no pictures "${tag}"`, { field: 'tag' })
      return pictures.map(({ wallTime, step }, at) => ({
        wall_time: wallTime,
        step,
        blob_key: Buffer.from(JSON.stringify([run, tag, at])).toString('base64url'),
      }))
    },
  )

  app.get(
    '/data/plugin/images/individualImage',
    { schema: { ...hide, querystring: Type.Object({ blob_key: name }) } },
    async ({ query: { blob_key } }, reply) => {
      const [run, tag, at] = keyOf(blob_key)
      const picture = runOf(run).pictures.get(tag)?.[at]
      if (!picture) throw new StudioError('not-found', 'blob_key: names no picture', { field: 'blob_key' })
      const { bytes, type } = readPicture(picture.place)
      return reply.type(type).header('cache-control', 'private, max-age=3600').send(Buffer.from(bytes))
    },
  )
}

function byRun<T extends object>(runs: readonly LoggedRun[], of: (run: LoggedRun) => T): Record<string, T> {
  return Object.fromEntries(
    runs.map((run) => [run.name, of(run)] as const).filter(([, all]) => Object.keys(all).length > 0),
  )
}

/** JSON has no words for these; TensorBoard's clients know them as text. */
function numberOrWord(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}

function sampled(points: readonly ScalarPoint[]): readonly ScalarPoint[] {
  const stride = Math.max(1, Math.ceil(points.length / mostPoints))
  return points.filter((_, i) => (points.length - 1 - i) % stride === 0)
}

function keyOf(key: string): readonly [run: string, tag: string, at: number] {
  try {
    const [run, tag, at] = JSON.parse(Buffer.from(key, 'base64url').toString('utf8')) as unknown[]
    if (typeof run === 'string' && typeof tag === 'string' && Number.isInteger(at)) return [run, tag, Number(at)]
  } catch {
    // What is no key names no picture.
  }
  throw new StudioError('not-found', 'blob_key: names no picture', { field: 'blob_key' })
}
