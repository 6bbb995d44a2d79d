import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from 'typebox'
import { openSet } from '../../dataset/pictureSet.ts'
import { type Captioning, usualCaptioning } from '../../dataset/tagging/blip/openBlip.ts'
import { usualSelection } from '../../dataset/tagging/selectTags.ts'
import { readCaptions, undoSave } from '../../dataset/tags/captionFiles.ts'
import { countTags } from '../../dataset/tags/count.ts'
import { usualShare } from '../../dataset/tags/methods.ts'
import type { TagEdit } from '../../runs/datasetErrand.ts'
import { hangUp } from '../caller.ts'
import { DatasetFolders } from './datasetFolders.ts'
import { datasetToWire } from './datasetWire.ts'
import type { NativeServices } from './nativeServices.ts'
import { errors, Id } from './replies.ts'
import { ref } from './schemas.ts'
import { taggerModel, taggerModels } from './taggerModels.ts'
import { CaptionChanges, Dataset, WrittenCaptions } from './trainingSchemas.ts'

const Tags = Type.Array(Type.String({ maxLength: 1000 }), { maxItems: 1000 })
const share = Type.Number({ minimum: 0, maximum: 1 })
const word = Type.String({ minLength: 1, maxLength: 1000 })

const Edit = Type.Union([
  Type.Object({ edit: Type.Literal('add'), tags: Tags, at: Type.Optional(Type.Enum(['start', 'end'])) }),
  Type.Object({ edit: Type.Literal('remove'), tags: Tags }),
  Type.Object({
    edit: Type.Literal('replace'),
    find: word,
    replace: Type.String({ maxLength: 1000 }),
    isRegex: Type.Optional(Type.Boolean()),
    in: Type.Optional(Type.Enum(['tags', 'caption'])),
  }),
  Type.Object({ edit: Type.Literal('trigger'), word }),
  Type.Object({
    edit: Type.Literal('sort'),
    by: Type.Enum(['alphabet', 'frequency', 'length']),
    isDescending: Type.Optional(Type.Boolean()),
    kept: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
  }),
  Type.Object({ edit: Type.Literal('dedupe') }),
  Type.Object({ edit: Type.Literal('commas') }),
  Type.Object({
    edit: Type.Literal('prune'),
    share: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    keep: Type.Optional(Tags),
    drop: Type.Optional(Tags),
    trigger: Type.Optional(word),
  }),
])

const Sentence = Type.Object(
  {
    prompt: Type.Optional(Type.String({ maxLength: 1000, description: 'What it goes on from' })),
    minLength: Type.Optional(Type.Integer({ minimum: 0, maximum: 512 })),
    maxLength: Type.Optional(Type.Integer({ minimum: 1, maximum: 512 })),
    beams: Type.Optional(Type.Integer({ minimum: 1, maximum: 32 })),
  },
  { description: 'How a BLIP is asked; lengths are in tokens, those it goes on from included' },
)

/** Captions of sets of pictures. */
export const captionRoutes: FastifyPluginAsyncTypebox<NativeServices> = async (app, services) => {
  const { studio, errands, prefix, settings } = services
  const folders = new DatasetFolders(studio.dataDir)
  const tags = ['training']
  const wire = (id: string) => datasetToWire(id, openSet(folders.find(id)), `${settings.subpath}${prefix}`)

  app.get(
    '/taggers',
    {
      schema: {
        tags,
        summary: 'List models that write captions',
        response: { 200: Type.Object({ taggers: Type.Array(Type.String()) }) },
      },
    },
    async () => ({ taggers: [...taggerModels(studio.dataDir).keys()] }),
  )

  app.post(
    '/datasets/:id/captions',
    {
      schema: {
        tags,
        summary: 'Write captions of a set by a tagger, a BLIP, or a CLIP where none is named',
        params: Id,
        body: Type.Object({
          model: Type.Optional(Type.String({ maxLength: 200, description: 'One of `/taggers`' })),
          conflict: Type.Optional(Type.Enum(['ignore', 'replace', 'append', 'prepend'], { default: 'ignore' })),
          threshold: Type.Optional(share),
          characterThreshold: Type.Optional(share),
          rating: Type.Optional(Type.Enum(['none', 'first', 'last'])),
          order: Type.Optional(Type.Enum(['score', 'alphabet', 'characters first'])),
          add: Type.Optional(Tags),
          exclude: Type.Optional(Tags),
          hasUnderscores: Type.Optional(Type.Boolean()),
          escapesBrackets: Type.Optional(Type.Boolean()),
          hasScores: Type.Optional(Type.Boolean()),
          sentence: Type.Optional(Sentence),
        }),
        response: { 200: ref(WrittenCaptions), ...errors(404, 422, 429) },
      },
    },
    async ({ params: { id }, body }, reply) => {
      const { model, conflict = 'ignore', threshold, characterThreshold, hasUnderscores = false, sentence = {} } = body
      const { written, passedOver, failed } = await errands.run(
        'words',
        {
          folder: folders.find(id),
          dataDir: studio.dataDir,
          model: model === undefined ? undefined : taggerModel(studio.dataDir, model),
          threads: studio.threads,
          conflict,
          selection: {
            rating: body.rating ?? usualSelection.rating,
            order: body.order ?? usualSelection.order,
            add: body.add ?? usualSelection.add,
            exclude: body.exclude ?? usualSelection.exclude,
            escapesBrackets: body.escapesBrackets ?? usualSelection.escapesBrackets,
            hasScores: body.hasScores ?? usualSelection.hasScores,
            thresholds: {
              general: threshold,
              character: characterThreshold ?? usualSelection.thresholds.character,
            },
            hasSpaces: !hasUnderscores,
          },
          captioning: captioningOf(sentence),
        },
        hangUp(reply),
      )
      return { written: [...written], passedOver: [...passedOver], failed: [...failed] }
    },
  )

  app.get(
    '/datasets/:id/tags',
    {
      schema: {
        tags,
        summary: 'Count the tags of a set',
        params: Id,
        response: {
          200: Type.Object({ tags: Type.Array(Type.Object({ tag: Type.String(), count: Type.Integer() })) }),
          ...errors(404, 422),
        },
      },
    },
    async ({ params: { id } }) => ({
      tags: [...countTags(readCaptions(openSet(folders.find(id))))].map(([tag, count]) => ({ tag, count })),
    }),
  )

  app.post(
    '/datasets/:id/tags',
    {
      schema: {
        tags,
        summary: 'Edit captions: what would change, or with `save` what has changed',
        params: Id,
        body: Type.Object({
          edits: Type.Array(Edit, { maxItems: 100 }),
          has: Type.Optional(Type.Object({ tags: Tags, mode: Type.Enum(['and', 'or']) })),
          lacks: Type.Optional(Type.Object({ tags: Tags, mode: Type.Enum(['and', 'or']) })),
          save: Type.Optional(Type.Boolean({ default: false })),
        }),
        response: { 200: ref(CaptionChanges), ...errors(404, 422, 429) },
      },
    },
    async ({ params: { id }, body: { edits, has, lacks, save = false } }, reply) => {
      const filter = { has: has ?? { tags: [], mode: 'and' }, lacks: lacks ?? { tags: [], mode: 'or' } } as const
      const asked = { folder: folders.find(id), edits: edits.map(editOf), filter, isSaved: save }
      const { changes, advice } = await errands.run('tags', asked, hangUp(reply))
      return {
        changes: [...changes],
        advice: advice.map(({ tag, count, goes, why }) => ({ tag, count, goes, why })),
        isSaved: save,
      }
    },
  )

  app.post(
    '/datasets/:id/tags/undo',
    {
      schema: {
        tags,
        summary: 'Take the last save of captions back',
        params: Id,
        response: { 200: ref(Dataset), ...errors(404, 422) },
      },
    },
    async ({ params: { id } }) => {
      undoSave(folders.find(id))
      return wire(id)
    },
  )
}
function editOf(edit: Static<typeof Edit>): TagEdit {
  switch (edit.edit) {
    case 'add':
      return { ...edit, at: edit.at ?? 'end' }
    case 'replace':
      return { ...edit, isRegex: edit.isRegex ?? false, in: edit.in ?? 'tags' }
    case 'sort':
      return { ...edit, isDescending: edit.isDescending ?? edit.by !== 'alphabet', kept: edit.kept ?? 0 }
    case 'prune': {
      const { share = usualShare, keep = [], drop = [], trigger } = edit
      return { edit: 'prune', share, keep, drop, trigger }
    }
    default:
      return edit
  }
}

function captioningOf({ beams = 1, ...asked }: Static<typeof Sentence>): Captioning {
  const { prompt, minLength, maxLength } = { ...usualCaptioning, ...asked }
  return { ...usualCaptioning, prompt, minLength, maxLength, by: { kind: 'beams', beams } }
}
