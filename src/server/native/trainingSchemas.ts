import { type Static, Type } from 'typebox'
import { ref } from './schemas.ts'

const date = Type.String({ format: 'date-time' })
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

const Scalar = Type.Union([Type.String({ maxLength: 100_000 }), Type.Number(), Type.Boolean()])

/** Parameters by kohya's names. */
export const Parameters = Type.Record(Type.String(), Type.Union([Scalar, Type.Array(Scalar, { maxItems: 1000 })]))

export const Run = Type.Object(
  {
    id: Type.String(),
    kind: Type.Enum(['lora', 'embedding'], { description: 'What is trained' }),
    title: Type.String(),
    user: Type.String(),
    state: Type.Enum(['starting', 'running', 'done', 'stopped', 'failed', 'lost'], {
      description: 'lost: its process is gone and has not said why; stopped: by request, its state saved',
    }),
    parameters: Parameters,
    createdAt: date,
    startedAt: orNull(date),
    endedAt: orNull(date),
    plan: Type.Array(Type.String(), { description: 'What it does, in words: base, data, length, time and memory' }),
    caching: orNull(Type.Object({ done: Type.Integer(), total: Type.Integer() })),
    progress: orNull(
      Type.Object({
        ...{ step: Type.Integer(), total: Type.Integer(), epoch: Type.Integer(), epochs: Type.Integer() },
        ...{ loss: Type.Number(), averageLoss: Type.Number() },
        ...{ secondsPerStep: Type.Number(), etaSeconds: Type.Number() },
      }),
    ),
    validations: Type.Array(
      Type.Object({
        epoch: Type.Integer(),
        step: Type.Integer(),
        loss: Type.Number(),
        isBest: Type.Boolean({ description: 'The best when it was measured' }),
      }),
    ),
    saved: Type.Array(Type.String(), {
      description: 'Files it has written: networks below models/Lora, or embeddings',
    }),
    best: orNull(Type.String({ description: 'The file with the lowest validation loss' })),
    samples: Type.Array(Type.Object({ name: Type.String(), url: Type.String() })),
    error: orNull(Type.Object({ code: Type.String(), message: Type.String(), field: orNull(Type.String()) })),
    isStopping: Type.Boolean({ description: 'Told to stop; it does so after the step at work' }),
    logName: orNull(Type.String({ description: 'How TensorBoard calls it' })),
  },
  { $id: 'Run' },
)

export const RunCurves = Type.Object(
  {
    run: ref(Run),
    curves: Type.Array(
      Type.Object({
        tag: Type.String({ description: 'As TensorBoard has it: loss/current, loss/average, lr/unet, …' }),
        points: Type.Array(
          Type.Object({ step: Type.Integer(), value: orNull(Type.Number()), wallTime: Type.Number() }),
        ),
      }),
    ),
  },
  { $id: 'RunCurves' },
)

export const RunLog = Type.Object(
  {
    text: Type.String(),
    next: Type.Integer({ description: 'The offset from which the next part begins' }),
    size: Type.Integer({ description: 'Bytes of the whole log so far' }),
  },
  { $id: 'RunLog' },
)

export const Dataset = Type.Object(
  {
    id: Type.String({ description: 'Its folder below datasets/ of the data folder' }),
    pictures: Type.Array(
      Type.Object({
        name: Type.String({ description: 'Path below the set' }),
        repeats: Type.Integer(),
        caption: orNull(Type.String()),
        captionProblem: orNull(Type.String()),
        excluded: orNull(Type.String({ description: 'Why it is left out' })),
        url: Type.String(),
      }),
    ),
    problems: Type.Array(Type.Object({ name: Type.String(), problem: Type.String() })),
    notes: Type.Array(Type.String()),
  },
  { $id: 'Dataset' },
)

const Verdicts = Type.Array(
  Type.Object({
    check: Type.String(),
    grade: Type.Enum(['pass', 'info', 'fix', 'warn', 'fail']),
    value: Type.Union([Type.Number(), Type.String()]),
    threshold: Type.String(),
    message: Type.String(),
  }),
)

export const DatasetReport = Type.Object(
  {
    grade: Type.Enum(['pass', 'info', 'fix', 'warn', 'fail']),
    target: Type.Array(Type.Integer()),
    set: Verdicts,
    copies: Type.Array(Type.Object({ kind: Type.String(), names: Type.Array(Type.String()), value: Type.Number() })),
    buckets: Type.Array(
      Type.Object({ size: Type.Array(Type.Integer()), pictures: Type.Integer(), draws: Type.Integer() }),
    ),
    pictures: Type.Array(
      Type.Object({
        name: Type.String(),
        grade: Type.Enum(['pass', 'info', 'fix', 'warn', 'fail']),
        verdicts: Verdicts,
        advice: orNull(Type.String({ description: 'Why it is better left out' })),
        excluded: orNull(Type.String()),
      }),
    ),
    skipped: Type.Array(Type.String()),
  },
  { $id: 'DatasetReport' },
)

export const CaptionChanges = Type.Object(
  {
    changes: Type.Array(Type.Object({ name: Type.String(), before: Type.String(), after: Type.String() })),
    advice: Type.Array(
      Type.Object({ tag: Type.String(), count: Type.Integer(), goes: Type.Boolean(), why: Type.String() }),
      { description: 'Of method 2: what goes and what stays, and why' },
    ),
    isSaved: Type.Boolean(),
  },
  { $id: 'CaptionChanges' },
)

export const WrittenCaptions = Type.Object(
  {
    written: Type.Array(Type.String(), { description: 'Caption files that are new or changed' }),
    passedOver: Type.Array(Type.String(), { description: 'Pictures that had a caption' }),
    failed: Type.Array(Type.Object({ name: Type.String(), problem: Type.String() })),
  },
  { $id: 'WrittenCaptions' },
)

/** Every schema of this file that has a name in the OpenAPI document. */
export const trainingSchemas = [
  Run,
  RunCurves,
  RunLog,
  Dataset,
  DatasetReport,
  CaptionChanges,
  WrittenCaptions,
] as const

export type WireRun = Static<typeof Run>
export type WireRunCurves = Static<typeof RunCurves>
export type WireRunLog = Static<typeof RunLog>
export type WireDataset = Static<typeof Dataset>
export type WireWrittenCaptions = Static<typeof WrittenCaptions>
