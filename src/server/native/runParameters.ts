import { statSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../../errors.ts'
import type { Studio } from '../../pipeline/studio.ts'
import type { Given } from '../../train/given.ts'
import { checkedName, type DatasetFolders } from './datasetFolders.ts'

/** Parameters that name places: over HTTP they do not, since a caller could name any. */
const refused: Readonly<Record<string, string>> = {
  output_dir: 'networks are saved in models/Lora of the data folder',
  logging_dir: 'curves are logged in logs/ of the data folder',
  dataset_config: 'name a set by train_data_dir',
  in_json: 'name a set by train_data_dir',
  conditioning_data_dir: 'masks are the alpha channels of pictures here: alpha_mask',
  base_weights: 'merge them into a checkpoint first: `lora merge`',
  sample_prompts: 'previews take their prompts from the field prompts',
}

/** The parameters of a training as a caller gives them: names instead of paths, each looked up where it belongs. */
export function parametersOf(
  given: Readonly<Record<string, Given>>,
  studio: Studio,
  datasets: DatasetFolders,
): Readonly<Record<string, Given>> {
  const parameters: Record<string, Given> = { ...given }
  for (const [name, advice] of Object.entries(refused)) {
    if (Object.hasOwn(given, name)) {
      throw new StudioError('forbidden', `${name}: cannot be chosen over HTTP; ${advice}`, { field: name })
    }
  }
  const change = (name: string, to: (text: string) => string) => {
    const value = given[name]
    if (value === undefined || value === '') return
    if (typeof value !== 'string') {
      throw new StudioError('bad-request', `${name}: expected a name`, { field: name })
    }
    parameters[name] = to(value)
  }
  const { library } = studio
  change(
    'pretrained_model_name_or_path',
    (name) => library.checkpoint(name, 'pretrained_model_name_or_path').identity.path,
  )
  change('vae', (name) => library.vae(name, library.checkpoint('', 'vae').entry, true, 'vae') ?? '')
  change('network_weights', (name) => library.network(name, 'network_weights'))
  for (const name of ['train_data_dir', 'reg_data_dir']) change(name, (set) => datasets.find(set, name))
  change('output_name', (name) => checkedName(name, 'output_name'))
  for (const name of ['log_prefix', 'caption_extension', 'caption_extention']) {
    change(name, (text) => {
      if (/^[\w.-]*$/.test(text) && !text.includes('..')) return text
      throw new StudioError('bad-request', `${name}: found "${text}", expected letters, digits, . and -`, {
        field: name,
      })
    })
  }
  change('resume', (name) => {
    const path = join(studio.dataDir, 'models', 'Lora', checkedName(name, 'resume'))
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path
    throw new StudioError('unknown-name', `resume: models/Lora holds no state "${name}"`, { field: 'resume' })
  })
  return parameters
}
