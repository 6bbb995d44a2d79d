import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { badFile } from './badFile.ts'
import { openWeightFile } from './openWeightFile.ts'
import { readPlainJson } from './plainJson.ts'
import type { ForeignEntry, PlainValue, WeightEntry, WeightFile } from './weights.ts'

/** The parts of a pipeline that have weights of interest; tensors are named after them: `unet.conv_in.weight`. */
const components = ['unet', 'vae', 'text_encoder'] as const

/** The component a lone folder holds, by the class its configuration names. */
const classes: ReadonlyMap<PlainValue | undefined, (typeof components)[number]> = new Map([
  ['UNet2DConditionModel', 'unet'],
  ['AutoencoderKL', 'vae'],
  ['CLIPTextModel', 'text_encoder'],
])

/**
 * Opens a folder as diffusers saves it: a pipeline (`model_index.json` and a folder for each component) or one
 * component alone. Configurations come along as `configs`, the pipeline's own under `model_index`.
 */
export function openDiffusersFolder(path: string): WeightFile {
  const entries = new Map<string, WeightEntry>()
  const foreign: ForeignEntry[] = []
  const configs = new Map<string, PlainValue>()
  const add = (component: string, folder: string) => {
    for (const file of openComponent(folder)) {
      for (const entry of file.entries.values()) {
        const name = `${component}.${entry.name}`
        if (entries.has(name)) throw badFile(path, `the tensor ${name} is in two files`)
        entries.set(name, { ...entry, name })
      }
      foreign.push(...file.foreign.map((entry) => ({ ...entry, name: `${component}.${entry.name}` })))
    }
  }

  if (existsSync(join(path, 'model_index.json'))) {
    configs.set('model_index', readPlainJson(join(path, 'model_index.json')))
    const scheduler = join(path, 'scheduler', 'scheduler_config.json')
    if (existsSync(scheduler)) configs.set('scheduler', readPlainJson(scheduler))
    for (const component of components) {
      const config = join(path, component, 'config.json')
      if (!existsSync(config)) continue
      configs.set(component, readPlainJson(config))
      add(component, join(path, component))
    }
  } else if (existsSync(join(path, 'config.json'))) {
    const config = readPlainJson(join(path, 'config.json'))
    const architectures = config.get('architectures')
    const name = config.get('_class_name') ?? (Array.isArray(architectures) ? architectures[0] : undefined)
    const component = classes.get(name)
    if (!component)
      throw badFile(
        path,
        name === undefined
          ? 'a folder whose config.json names no class of model, expected a diffusers model'
          : `a model of class ${String(name)}, expected one of ${[...classes.keys()].join(', ')}`,
      )
    configs.set(component, config)
    add(component, path)
  } else {
    throw badFile(path, 'a folder without model_index.json or config.json, expected a diffusers model')
  }
  return { path, format: 'diffusers', metadata: new Map(), entries, foreign, configs }
}

/** Names of a component's weights: whole, an index of shards, or a variant in other precision (`model.fp16.…`). */
const weightName =
  /^(?:diffusion_pytorch_model|pytorch_model|model)(?<variant>\.[\w-]+)?\.(?<type>safetensors|bin)(?<index>\.index\.json)?$/

/** Of several forms safetensors go before pickles, then whole files before shards before variants. */
function openComponent(folder: string): WeightFile[] {
  const forms = readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const match = weightName.exec(name)?.groups
      if (!match) return []
      const rank = (match.type === 'bin' ? 4 : 0) + (match.variant ? 2 : 0) + (match.index ? 1 : 0)
      return [{ name, rank, isIndex: match.index !== undefined }]
    })
  const best = forms.sort((a, b) => a.rank - b.rank)[0]
  if (!best) throw badFile(folder, 'no weights, expected diffusion_pytorch_model.safetensors or the like')
  return best.isIndex ? openShards(folder, best.name) : [openWeightFile(join(folder, best.name))]
}

function openShards(folder: string, index: string): WeightFile[] {
  const map = readPlainJson(join(folder, index)).get('weight_map')
  if (!(map instanceof Map)) throw badFile(folder, `${index} has no weight_map`)
  const files = new Set(map.values())
  return [...files].map((name) => {
    // A name from a file must not lead out of the folder.
    if (typeof name !== 'string' || !/^[\w-][\w.-]*$/.test(name)) {
      throw badFile(folder, `${index} names ${JSON.stringify(name)} as a file`)
    }
    return openWeightFile(join(folder, name))
  })
}
