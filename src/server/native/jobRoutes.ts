import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { StudioError } from '../../errors.ts'
import { generateTask } from '../../jobs/generateTask.ts'
import { recipeFromRequest } from '../../pipeline/wire/recipeFromRequest.ts'
import { hangUp, userOf } from '../caller.ts'
import { withNamedPictures } from '../namedPictures.ts'
import type { NativeServices } from './nativeServices.ts'
import { errors, Id } from './replies.ts'
import { Job, JobState, Queue, ref } from './schemas.ts'

const Submission = Type.Object(
  {
    endpoint: Type.Enum(['txt2img', 'img2img']),
    request: Type.Object(
      {},
      {
        additionalProperties: true,
        description: 'The fields that /sdapi/v1/txt2img and /sdapi/v1/img2img take, with their defaults',
      },
    ),
    title: Type.Optional(Type.String({ maxLength: 200 })),
    tag: Type.Optional(Type.String({ maxLength: 200, description: 'A name to find the job by' })),
    priority: Type.Optional(Type.Integer({ minimum: -100, maximum: 100, description: 'Among your own jobs' })),
    save: Type.Optional(
      Type.Boolean({ default: true, description: 'Save the pictures for good and list them in the gallery' }),
    ),
  },
  { $id: 'Submission' },
)

/** Work: submitting it, looking at it, and ending it. */
export const jobRoutes: FastifyPluginAsyncTypebox<NativeServices> = async (app, { queue, studio, wire }) => {
  app.addSchema(Submission)
  const tags = ['jobs']

  app.post(
    '/jobs',
    {
      schema: {
        tags,
        summary: 'Submit a job',
        description: 'Once this is answered the job is written down and survives a crash of the server.',
        body: ref(Submission),
        response: { 201: ref(Job), ...errors(400, 413, 422, 429, 507) },
      },
    },
    async (request, reply) => {
      const { endpoint, request: body, title, tag, priority, save = true } = request.body
      const user = userOf(request)
      await queue.admit(user)
      const recipe = await recipeFromRequest(await withNamedPictures(body, studio, hangUp(reply)), endpoint, studio)
      const task = generateTask(endpoint, recipe, { saving: save })
      const job = await queue.submit(task, {
        user,
        tag,
        ...(title !== undefined && { title }),
        ...(priority !== undefined && { priority }),
      })
      return reply.code(201).header('location', `${request.url}/${job.id}`).send(wire.job(job))
    },
  )

  app.get(
    '/jobs',
    {
      schema: {
        tags,
        summary: 'List jobs',
        description: 'What runs comes first, then what waits in the order in which it will run, then what has ended.',
        querystring: Type.Object({
          state: Type.Optional(Type.Union([JobState, Type.Array(JobState)])),
          user: Type.Optional(Type.String()),
          tag: Type.Optional(Type.String()),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
        }),
        response: { 200: Type.Object({ jobs: Type.Array(ref(Job)) }), ...errors(422) },
      },
    },
    async ({ query: { state, user, tag, limit = 100 } }) => {
      const jobs = await queue.list({
        limit,
        ...(state !== undefined && { states: [state].flat() }),
        ...(user !== undefined && { user }),
        ...(tag !== undefined && { tag }),
      })
      return { jobs: jobs.map((job) => wire.job(job)) }
    },
  )

  app.get(
    '/jobs/:id',
    { schema: { tags, summary: 'Look at a job', params: Id, response: { 200: ref(Job), ...errors(404) } } },
    async ({ params: { id } }) => wire.job(await queue.get(id)),
  )

  for (const [verb, summary] of [
    ['cancel', 'End a job: at once where it waits, within one step where it runs'],
    ['interrupt', 'Let a running job finish with what it has'],
    ['skip', 'Let a running job finish its current batch with what it has'],
  ] as const) {
    app.post(
      `/jobs/:id/${verb}`,
      { schema: { tags, summary, params: Id, response: { 200: ref(Job), ...errors(404, 409) } } },
      async ({ params: { id } }) => {
        await queue[verb](id)
        return wire.job(await queue.get(id))
      },
    )
  }

  app.post(
    '/jobs/:id/move',
    {
      schema: {
        tags,
        summary: 'Move a waiting job before another one, or to the end',
        params: Id,
        body: Type.Object({ before: Type.Union([Type.String(), Type.Null()]) }),
        response: { 200: ref(Job), ...errors(404, 409, 422) },
      },
    },
    async ({ params: { id }, body: { before } }) => {
      await queue.move(id, before ?? undefined)
      return wire.job(await queue.get(id))
    },
  )

  app.get(
    '/jobs/:id/preview',
    {
      schema: {
        tags,
        summary: 'What is coming, as PNG',
        params: Id,
        querystring: Type.Object({ number: Type.Optional(Type.Integer()) }),
        produces: ['image/png'],
        response: { 200: Type.Unsafe({ type: 'string', format: 'binary' }), ...errors(404) },
      },
    },
    async ({ params: { id } }, reply) => {
      const { progress } = await queue.get(id)
      if (!progress?.preview) throw new StudioError('not-found', `job ${id} has nothing to show now`)
      return reply.type('image/png').header('cache-control', 'no-store').send(progress.preview.png)
    },
  )

  app.get(
    '/jobs/:id/files/:attempt/:name',
    {
      schema: {
        tags,
        summary: 'A picture of a job, as PNG',
        params: Type.Object({ id: Type.String(), attempt: Type.String(), name: Type.String() }),
        produces: ['image/png'],
        response: { 200: Type.Unsafe({ type: 'string', format: 'binary' }), ...errors(404) },
      },
    },
    async ({ params: { id, attempt, name } }, reply) => {
      if (!name.endsWith('.png')) throw new StudioError('not-found', `job ${id} has no picture of this name`)
      const bytes = await queue.file(id, `${attempt}/${name}`)
      return reply.type('image/png').header('cache-control', 'private, max-age=31536000, immutable').send(bytes)
    },
  )

  app.get('/queue', { schema: { tags, summary: 'Look at the queue', response: { 200: ref(Queue) } } }, async () =>
    wire.queue(await queue.status()),
  )

  for (const [verb, summary] of [
    ['pause', 'Start nothing new; what runs goes on'],
    ['resume', 'Go on after a pause'],
  ] as const) {
    app.post(`/queue/${verb}`, { schema: { tags, summary, response: { 200: ref(Queue) } } }, async () => {
      await queue[verb]()
      return wire.queue(await queue.status())
    })
  }
}
