import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findBlip } from '../../dataset/tagging/blip/findBlip.ts'
import { StudioError } from '../../errors.ts'
import type { Rgb8 } from '../../image/picture.ts'
import { runTask } from '../../jobs/runTask.ts'
import type { Description, Postprocessing } from '../../pipeline/postprocess.ts'
import type { Studio } from '../../pipeline/studio.ts'
import { hangUp, userOf } from '../caller.ts'
import type { Context } from './context.ts'
import type { Call } from './route.ts'

/** Words for a picture, by a model that the user has put into the data folder. */
export async function interrogate(
  picture: Rgb8,
  model: Description['model'],
  { request, reply }: Call,
  { queue, studio }: Context,
): Promise<string> {
  studio.optionsFile.refresh()
  const description = descriptionOf(model, studio)
  const task = { kind: 'postprocess', pictures: [picture], settings: { ...nothingElse, description } } as const
  const asked = { user: userOf(request), title: 'interrogate', signal: hangUp(reply) }
  const { result } = await runTask(queue, task, asked)
  return result.infotexts[0] ?? ''
}

const nothingElse: Postprocessing = {
  upscaler: 'None',
  secondUpscaler: 'None',
  secondVisibility: 0,
  size: { kind: 'scale', scale: 1 },
  gfpganVisibility: 0,
  codeformerVisibility: 0,
  tiles: { size: 0, overlap: 0 },
}

function descriptionOf(model: Description['model'], { dataDir, options }: Studio): Description {
  const inModels = (name: string) => join(dataDir, 'models', name)
  const folder = places[model].folders.map(inModels).find((path) => hasModel(path) || hasModel(join(path, 'onnx')))
  const blip = model === 'clip' ? findBlip(inModels('BLIP')) : undefined
  if (folder === undefined && blip === undefined) {
    const where = places[model].folders.map((name) => `models/${name}`).join(' or ')
    const message = `model: "${model}" needs a model that is not here; put ${places[model].files} into ${where} of the data folder`
    throw new StudioError('missing-file', message, { field: 'model' })
  }
  return {
    model,
    folder,
    sentence: blip === undefined ? undefined : sentenceBy(blip, options),
    lists: join(dataDir, 'interrogate'),
    skippedLists: options.interrogate_clip_skip_categories,
    longestList: options.interrogate_clip_dict_limit,
    threshold: options.interrogate_deepbooru_score_threshold,
    isSorted: options.deepbooru_sort_alpha,
    hasSpaces: options.deepbooru_use_spaces,
    escapesBrackets: options.deepbooru_escape,
    exclude: options.deepbooru_filter_tags.split(',').map((tag) => tag.trim()),
    hasScores: options.interrogate_return_ranks,
  }
}

function sentenceBy(path: string, options: Studio['options']): Description['sentence'] {
  return {
    path,
    minLength: options.interrogate_clip_min_length,
    maxLength: options.interrogate_clip_max_length,
    beams: options.interrogate_clip_num_beams,
  }
}

/** Where models lie, and what they are. */
const places = {
  clip: {
    folders: ['CLIP'],
    files:
      'a BLIP (.pth or .safetensors) into models/BLIP, or a CLIP exported as vision_model.onnx and text_model.onnx',
  },
  deepdanbooru: {
    folders: ['torch_deepdanbooru', 'deepdanbooru'],
    files: 'a tagger as model.onnx with tags.txt (DeepDanbooru) or selected_tags.csv (WD14) beside it',
  },
} as const

function hasModel(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.onnx'))
}
