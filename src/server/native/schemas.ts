import { type Static, type TSchema, type TUnsafe, Type } from 'typebox'

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
/** A reference to a schema that has a name, with its type. */
export function ref<T extends TSchema>(schema: T): TUnsafe<Static<T>> {
  return Type.Unsafe<Static<T>>({ $ref: `${(schema as { readonly $id?: string }).$id}#` })
}

const date = Type.String({ format: 'date-time' })
const words = <const T extends readonly string[]>(...values: T) => Type.Enum([...values])

export const ErrorBody = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ description: 'Names the kind of error, for programs' }),
      message: Type.String({ description: 'Says where, what was found and what was expected, for people' }),
      field: Type.Optional(Type.String({ description: 'The field of the request that is at fault' })),
      requestId: Type.Optional(Type.String({ description: 'Under which the log of the server tells more' })),
    }),
  },
  { $id: 'Error' },
)

export const Preview = Type.Object(
  {
    number: Type.Integer({ description: 'Counts up within a job' }),
    width: Type.Integer(),
    height: Type.Integer(),
    url: Type.String(),
  },
  { $id: 'Preview' },
)

export const Progress = Type.Object(
  {
    pass: words('first', 'hires'),
    batch: Type.Integer({ description: 'Which batch, counted from 0' }),
    batches: Type.Integer(),
    step: Type.Integer({ description: 'Steps of this pass that are done' }),
    steps: Type.Integer(),
    fraction: Type.Number({ minimum: 0, maximum: 1, description: 'Share of the whole job that is done' }),
    elapsedSeconds: Type.Number(),
    etaSeconds: nullable(Type.Number()),
    preview: nullable(ref(Preview)),
  },
  { $id: 'Progress' },
)

export const Picture = Type.Object(
  {
    index: Type.Integer({ description: 'Position in the job, counted from 0' }),
    width: Type.Integer(),
    height: Type.Integer(),
    seed: Type.Integer(),
    infotext: Type.String(),
    url: Type.String({ description: 'The picture as PNG, as long as the job is remembered' }),
    firstPassUrl: nullable(Type.String()),
    byProducts: Type.Array(Type.Object({ kind: words('mask', 'mask composite'), url: Type.String() }), {
      description: 'What the options return_mask and return_mask_composite add to an inpainted picture, as PNG',
    }),
    imageId: nullable(Type.String({ description: 'Its id in the gallery, where it was saved' })),
  },
  { $id: 'Picture' },
)

export const JobState = Type.Enum(['queued', 'running', 'done', 'failed', 'cancelled'])

export const Job = Type.Object(
  {
    id: Type.String(),
    kind: Type.String(),
    state: JobState,
    user: Type.String(),
    tag: nullable(Type.String()),
    title: Type.String(),
    priority: Type.Integer(),
    submittedAt: date,
    startedAt: nullable(date),
    endedAt: nullable(date),
    attempts: Type.Integer({ description: '2 after a worker died' }),
    ahead: nullable(Type.Integer({ description: 'Waiting jobs that come before it' })),
    progress: nullable(ref(Progress)),
    error: nullable(Type.Object({ code: Type.String(), message: Type.String(), field: nullable(Type.String()) })),
    pictures: Type.Array(ref(Picture), { description: 'What is finished: all of it once the job is done' }),
    isInterrupted: Type.Boolean({ description: 'It was told to finish early' }),
  },
  { $id: 'Job' },
)

export const Queue = Type.Object(
  {
    isPaused: Type.Boolean(),
    queued: Type.Integer(),
    running: Type.Integer(),
    waitSeconds: nullable(Type.Number({ description: 'Until a job submitted now would start' })),
    workers: Type.Array(
      Type.Object({
        id: Type.String(),
        state: words('starting', 'idle', 'busy', 'stopped'),
        checkpoint: nullable(Type.String({ description: 'Name of the checkpoint in its memory' })),
        jobId: nullable(Type.String()),
        memoryBytes: Type.Integer(),
      }),
    ),
  },
  { $id: 'Queue' },
)

export const Event = Type.Object(
  {
    kind: words(
      ...['queued', 'started', 'requeued', 'step', 'picture', 'done', 'failed', 'cancelled'],
      ...['reordered', 'paused', 'resumed', 'gap'],
    ),
    job: Type.Optional(ref(Job)),
    picture: Type.Optional(ref(Picture)),
  },
  { $id: 'Event' },
)

export const Model = Type.Object(
  {
    name: Type.String(),
    title: Type.String({ description: 'What requests call it: the path below its folder, with its hash once known' }),
    hash: nullable(Type.String({ description: 'SHA-256 of the file, once known' })),
  },
  { $id: 'Model' },
)

export const Models = Type.Object(
  {
    checkpoints: Type.Array(
      Type.Object({
        ...Model.properties,
        nativeSize: nullable(
          Type.Integer({ description: 'Side in pixels of the pictures it was trained on, where it says so' }),
        ),
      }),
    ),
    vaes: Type.Array(ref(Model)),
    networks: Type.Array(ref(Model)),
    embeddings: Type.Array(ref(Model)),
    upscalers: Type.Array(Type.String()),
    latentUpscalers: Type.Array(Type.String()),
    samplers: Type.Array(Type.Object({ name: Type.String(), aliases: Type.Array(Type.String()) })),
    schedulers: Type.Array(Type.Object({ name: Type.String(), label: Type.String() })),
    styles: Type.Array(Type.Object({ name: Type.String(), prompt: Type.String(), negativePrompt: Type.String() })),
    selected: nullable(Type.String({ description: 'The checkpoint that is used where a request names none' })),
  },
  { $id: 'Models' },
)

export const Image = Type.Object(
  {
    id: Type.String(),
    fileName: Type.String(),
    createdAt: date,
    width: Type.Integer(),
    height: Type.Integer(),
    bytes: Type.Integer(),
    infotext: Type.String(),
    prompt: Type.String(),
    negativePrompt: Type.String(),
    model: nullable(Type.String()),
    seed: nullable(Type.Integer()),
    isFavourite: Type.Boolean(),
    url: Type.String(),
    thumbnailUrl: Type.String(),
  },
  { $id: 'Image' },
)

export const ImagePage = Type.Object(
  {
    images: Type.Array(ref(Image)),
    next: nullable(Type.String({ description: 'The cursor of the following page; null on the last' })),
  },
  { $id: 'ImagePage' },
)

export const Verdict = Type.Object(
  {
    verdict: words('equal', 'close', 'different'),
    psnr: nullable(Type.Number({ description: 'In decibels; null for equal pictures' })),
    largest: Type.Number({ description: 'The largest difference of one channel of one pixel' }),
    mean: Type.Number(),
    sameSize: Type.Boolean(),
    reasons: Type.Array(Type.String()),
  },
  { $id: 'Verdict' },
)

export const System = Type.Object(
  {
    version: Type.String(),
    node: Type.String(),
    platform: Type.String(),
    cpu: Type.Object({ model: Type.String(), cores: Type.Integer() }),
    memory: Type.Object({ totalBytes: Type.Integer(), freeBytes: Type.Integer(), serverBytes: Type.Integer() }),
    uptimeSeconds: Type.Number(),
    queue: Type.Object({ queued: Type.Integer(), running: Type.Integer(), isPaused: Type.Boolean() }),
    workers: Type.Array(Type.Object({ id: Type.String(), state: Type.String(), memoryBytes: Type.Integer() })),
    isPublic: Type.Boolean({ description: 'Other machines can reach it' }),
    needsSignIn: Type.Boolean(),
  },
  { $id: 'System' },
)

/** Every schema that has a name in the OpenAPI document. */
export const named = [
  ...[ErrorBody, Preview, Progress, Picture, Job, Queue, Event, Model, Models, Image, ImagePage, Verdict, System],
] as const

export type WireJob = Static<typeof Job>
export type WirePicture = Static<typeof Picture>
export type WireEvent = Static<typeof Event>
export type WireImage = Static<typeof Image>
export type WireModels = Static<typeof Models>
export type WireQueue = Static<typeof Queue>
export type WireErrorBody = Static<typeof ErrorBody>
