import { z } from 'zod'
import { samplers } from '../diffusion/samplers/index.ts'
import { StudioError } from '../errors.ts'
import type { Result } from '../pipeline/generate.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import { integer, number, parseFields } from '../pipeline/wire/fields.ts'
import { drawnSeed } from '../pipeline/wire/images.ts'
import type { GenerationInfo } from '../pipeline/wire/info.ts'
import { checkbox, choice, readArguments, textbox } from './arguments.ts'
import { type Body, type Painter, passesOf } from './painter.ts'
import type { Processed, TaskProgress } from './processed.ts'
import type { Script } from './script.ts'
import { shellWords } from './shellWords.ts'

const args = [
  checkbox('Iterate seed every line', false),
  checkbox('Use same random seed for all lines', false),
  choice('Insert prompts at the', ['start', 'end'], 'start'),
  textbox('List of prompt inputs'),
] as const

const listField = 'script_args.3'
const mostLines = 10_000

/** A job for every line of a text: a prompt, or options such as `--prompt "a dog" --steps 4`. */
export const promptsFromFile: Script = {
  title: 'prompts from file or textbox',
  endpoints: ['txt2img', 'img2img'],
  args: () => args,
  run,
}

async function* run(painter: Painter, given: readonly unknown[]): AsyncGenerator<TaskProgress, Processed> {
  const [iterates, isSameSeed, position, text] = readArguments(given, args)
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (lines.length > mostLines || lines.length === 0) {
    throw new StudioError('bad-request', `${listField}: ${lines.length} lines, expected 1 to ${mostLines}`, {
      field: listField,
    })
  }
  const { fields } = painter
  let seed = iterates || isSameSeed ? drawnSeed(fields.seed) : fields.seed
  const notes: string[] = []
  const recipes: Recipe[] = []
  for (const line of lines) {
    const own = optionsOf(painter, line, notes)
    const recipe = await painter.recipe({ seed, ...own, ...joined(painter, own, position) })
    recipes.push(recipe)
    if (iterates) seed += recipe.images.length
  }
  painter.passes = recipes.reduce((sum, recipe) => sum + passesOf(recipe), 0)

  const results: Result[] = []
  for (const recipe of recipes) {
    if (painter.isInterrupted) break
    results.push(yield* painter.paint(recipe))
  }
  const [first] = results
  if (!first) throw new StudioError('cancelled', 'interrupted before the first line')
  const pictures = results.flatMap((result) => painter.outputs(result))
  const info: GenerationInfo = {
    ...painter.info(first),
    prompt: fields.prompt,
    negative_prompt: fields.negative_prompt,
    all_prompts: results.flatMap(({ recipe }) => recipe.images.map(({ prompt }) => prompt)),
    all_negative_prompts: results.flatMap(({ recipe }) => recipe.images.map(({ negativePrompt }) => negativePrompt)),
    infotexts: results.flatMap(({ images }) => images.map(({ infotext }) => infotext)),
    seed,
    all_seeds: [seed],
    subseed: fields.subseed,
    all_subseeds: [fields.subseed],
  }
  return { pictures, info, notes: [...notes, ...recipes.flatMap((recipe) => recipe.notes)] }
}

/** A line's prompts with the request's own around them. */
function joined({ fields }: Painter, own: Body, position: 'start' | 'end'): Body {
  const join = (line: unknown, request: string) => {
    if (typeof line !== 'string' || line === '' || request === '') return undefined
    return position === 'start' ? `${line} ${request}` : `${request} ${line}`
  }
  const prompt = join(own.prompt, fields.prompt)
  const negative = join(own.negative_prompt, fields.negative_prompt)
  return { ...(prompt !== undefined && { prompt }), ...(negative !== undefined && { negative_prompt: negative }) }
}

/** The fields that a line sets. One that is no list of options is a prompt as it stands, where that is not an error. */
function optionsOf(painter: Painter, line: string, notes: string[]): Body {
  if (!line.includes('--')) return { prompt: line }
  try {
    return readLine(line, painter.task.body)
  } catch (error) {
    if (!(error instanceof StudioError) || !painter.task.lenient) throw error
    notes.push(error.message)
    return { prompt: line }
  }
}

const asIs = (value: string) => value
const whole = (value: string) =>
  parseFields(integer(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), value, listField)
const decimal = (value: string) => parseFields(number(-1e9, 1e9), value, listField)
const isTrue = (value: string) => value === 'true'

/** Options of a line, and how their values are read; the last four are of no effect over the wire. */
const tags: Readonly<Record<string, (value: string) => unknown>> = {
  sd_model: asIs,
  prompt: asIs,
  negative_prompt: asIs,
  styles: (value) => parseFields(z.array(z.string()), value.split(','), listField),
  seed: whole,
  subseed_strength: decimal,
  subseed: whole,
  seed_resize_from_h: whole,
  seed_resize_from_w: whole,
  sampler_index: (value) => {
    const found = samplers[whole(value)]
    if (found) return found.label
    throw new StudioError('bad-request', `${listField}: no sampler has the number ${value}`, { field: listField })
  },
  sampler_name: (value) => {
    const wanted = value.toLowerCase()
    const named = samplers.find(({ label, aliases }) =>
      [label, ...aliases].some((each) => each.toLowerCase() === wanted),
    )
    return named?.label ?? value
  },
  batch_size: whole,
  n_iter: whole,
  steps: whole,
  cfg_scale: decimal,
  width: whole,
  height: whole,
  restore_faces: isTrue,
  tiling: isTrue,
  do_not_save_samples: isTrue,
  do_not_save_grid: isTrue,
  outpath_samples: asIs,
  outpath_grids: asIs,
  prompt_for_display: asIs,
}

/** Options that may be followed by several words. */
const wordy: ReadonlySet<string> = new Set(['prompt', 'negative_prompt'])

/** Reads `--tag value` pairs as a shell would. */
export function readLine(line: string, body: Body): Body {
  const words = shellWords(line, listField)
  const fields: Record<string, unknown> = {}
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    const tag = word.slice(2)
    const read = word.startsWith('--') && Object.hasOwn(tags, tag) ? tags[tag] : undefined
    if (!read)
      throw new StudioError('bad-request', `${listField}: unknown option "${word}" in "${line}"`, { field: listField })
    const value: string[] = []
    while (
      i + 1 < words.length &&
      (value.length === 0 || wordy.has(tag)) &&
      !(wordy.has(tag) && words[i + 1]!.startsWith('--'))
    ) {
      value.push(words[++i]!)
    }
    if (value.length === 0) {
      throw new StudioError('bad-request', `${listField}: "${word}" has no value in "${line}"`, { field: listField })
    }
    const given = read(value.join(' '))
    if (tag === 'sd_model') {
      const own = body.override_settings
      fields.override_settings = { ...(typeof own === 'object' ? own : {}), sd_model_checkpoint: given }
    } else fields[tag === 'sampler_index' ? 'sampler_name' : tag] = given
  }
  return fields
}
