import { createReadStream } from 'node:fs'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Run } from '../../runs/runs.ts'
import type { ScalarPoint } from '../../train/log/eventLogs.ts'
import { userOf } from '../caller.ts'
import { DatasetFolders } from './datasetFolders.ts'
import type { NativeServices } from './nativeServices.ts'
import { errors, Id } from './replies.ts'
import { parametersOf } from './runParameters.ts'
import { ref } from './schemas.ts'
import { Parameters, RunCurves, RunLog, Run as RunSchema, type WireRun } from './trainingSchemas.ts'

/** Points of a curve that are told, unless more are asked for: more than a screen has. */
const usualPoints = 1000

/** Trainings: each in a process of its own, one at a time on a machine. */
export const runRoutes: FastifyPluginAsyncTypebox<NativeServices> = async (app, { runs, studio, prefix, settings }) => {
  const tags = ['training']
  const base = `${settings.subpath}${prefix}`
  const datasets = new DatasetFolders(studio.dataDir)
  const wire = (run: Run) => runToWire(run, base)

  app.post(
    '/runs',
    {
      schema: {
        tags,
        summary: 'Start to train a LoRA',
        description:
          'Parameters are those of kohya’s trainer by their names. Models, networks and sets are called by name instead of by path; previews take their prompts from `prompts`.',
        body: Type.Object({
          parameters: Parameters,
          title: Type.Optional(Type.String({ maxLength: 200 })),
          prompts: Type.Optional(
            Type.Array(Type.String({ maxLength: 2000 }), {
              maxItems: 50,
              description: 'What previews show, each with kohya’s options: "a cat --w 512 --h 512 --d 1"',
            }),
          ),
        }),
        response: { 201: ref(RunSchema), ...errors(404, 409, 422) },
      },
    },
    async (request, reply) => {
      const { parameters, title, prompts } = request.body
      const run = runs.start({
        title,
        user: userOf(request),
        asked: parameters,
        parameters: parametersOf(parameters, studio, datasets),
        prompts: prompts?.map((line) => line.replace(/[\r\n]+/g, ' ')).join('\n'),
      })
      return reply.code(201).send(wire(run))
    },
  )

  app.get(
    '/runs',
    {
      schema: {
        tags,
        summary: 'List trainings, the latest first',
        response: { 200: Type.Object({ runs: Type.Array(ref(RunSchema)) }) },
      },
    },
    async () => ({ runs: runs.list().map(wire) }),
  )

  app.get(
    '/runs/:id',
    {
      schema: {
        tags,
        summary: 'Look at a training, with its curves',
        params: Id,
        querystring: Type.Object({
          points: Type.Optional(
            Type.Integer({ minimum: 0, maximum: 50_000, description: 'Of each curve at most; 0 for none' }),
          ),
        }),
        response: { 200: ref(RunCurves), ...errors(404, 422) },
      },
    },
    async ({ params: { id }, query: { points = usualPoints } }) => ({
      run: wire(runs.get(id)),
      curves: points === 0 ? [] : [...runs.curves(id)].map(([tag, all]) => ({ tag, points: thinned(all, points) })),
    }),
  )

  app.post(
    '/runs/:id/cancel',
    {
      schema: {
        tags,
        summary: 'Stop a training after the step at work, with what it has learnt saved',
        params: Id,
        querystring: Type.Object({
          now: Type.Optional(Type.Boolean({ description: 'End its process at once, saving nothing' })),
        }),
        response: { 200: ref(RunSchema), ...errors(404, 409, 422) },
      },
    },
    async ({ params: { id }, query: { now = false } }) => wire(runs.stop(id, now)),
  )

  app.delete(
    '/runs/:id',
    {
      schema: {
        tags,
        summary: 'Forget a training that has ended; what it saved stays',
        params: Id,
        response: { 204: Type.Null(), ...errors(404, 409) },
      },
    },
    async ({ params: { id } }, reply) => {
      runs.delete(id)
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/runs/:id/logs',
    {
      schema: {
        tags,
        summary: 'What a training has printed',
        params: Id,
        querystring: Type.Object({
          from: Type.Optional(Type.Integer({ description: 'Byte to begin at; a negative one counts from the end' })),
        }),
        response: { 200: ref(RunLog), ...errors(404, 422) },
      },
    },
    async ({ params: { id }, query: { from = 0 } }) => runs.log(id, from),
  )

  app.get(
    '/runs/:id/samples',
    {
      schema: {
        tags,
        summary: 'Preview pictures of a training, in the order they were drawn',
        params: Id,
        response: { 200: Type.Object({ samples: RunSchema.properties.samples }), ...errors(404) },
      },
    },
    async ({ params: { id } }) => ({ samples: wire(runs.get(id)).samples }),
  )

  app.get(
    '/runs/:id/samples/:name',
    {
      schema: {
        tags,
        summary: 'A preview picture',
        params: Type.Object({ id: Id.properties.id, name: Type.String({ maxLength: 300 }) }),
        produces: ['image/png'],
        response: { 200: Type.Unsafe({ type: 'string', format: 'binary' }), ...errors(404) },
      },
    },
    async ({ params: { id, name } }, reply) => {
      const path = runs.samplePath(id, name)
      reply.type('image/png').header('cache-control', 'private, max-age=86400')
      return reply.send(createReadStream(path))
    },
  )
}

function runToWire(run: Run, base: string): WireRun {
  const {
    startedAt,
    endedAt,
    samples,
    error,
    plan,
    validations,
    saved,
    logName,
    caching,
    progress,
    best,
    asked,
    ...rest
  } = run
  return {
    ...rest,
    parameters: asked as WireRun['parameters'],
    startedAt: startedAt?.toISOString() ?? null,
    endedAt: endedAt?.toISOString() ?? null,
    plan: [...plan],
    validations: [...validations],
    saved: [...saved],
    caching: caching ?? null,
    progress: progress ?? null,
    best: best ?? null,
    samples: samples.map((name) => ({ name, url: `${base}/runs/${run.id}/samples/${encodeURIComponent(name)}` })),
    error: error ? { ...error, field: error.field ?? null } : null,
    logName: logName ?? null,
  }
}

/** At most so many points, evenly chosen, the last one among them. */
export function thinned(points: readonly ScalarPoint[], most: number) {
  const stride = Math.max(1, Math.ceil(points.length / most))
  return points
    .filter((_, i) => (points.length - 1 - i) % stride === 0)
    .map(({ step, value, wallTime }) => ({ step, value: Number.isFinite(value) ? value : null, wallTime }))
}
