import { parse } from 'smol-toml'
import { StudioError } from '../../errors.ts'
import { flattened } from '../configFile.ts'
import type { Given } from '../given.ts'

/** Keys that become `key=value` arguments of a LyCORIS network, by their names there. */
const lycorisKeys: Readonly<Record<string, string>> = {
  lycoris_algo: 'algo',
  conv_dim: 'conv_dim',
  conv_alpha: 'conv_alpha',
  dropout: 'dropout',
  train_norm: 'train_norm',
  lokr_factor: 'factor',
}
const blockKeys = ['down_lr_weight', 'mid_lr_weight', 'up_lr_weight', 'block_lr_zero_threshold']
const prodigyKeys: Readonly<Record<string, string>> = { prodigy_d0: 'd0', prodigy_d_coef: 'd_coef' }
/** Options of a preview's prompt, as its line writes them. */
const promptKeys: Readonly<Record<string, string>> = {
  negative_prompts: 'n',
  sample_width: 'w',
  sample_height: 'h',
  sample_cfg: 'l',
  sample_steps: 's',
  sample_seed: 'd',
}

/**
 * A configuration as lora-scripts' training page saves it, in the trainer's own names. The page has switches for groups
 * of parameters, which count only while they are on, lists of its own for more arguments, and TOML that goes before all.
 */
export function fromTrainingPage(config: ReadonlyMap<string, Given>): ReadonlyMap<string, Given> {
  const page = new Page(config)
  const type = page.take('model_train_type')
  if (type !== undefined && type !== 'sd-lora') {
    throw new StudioError('unsupported', `model_train_type: ${type} is not trained here, sd-lora is`, {
      field: 'model_train_type',
    })
  }
  page.rename('prompt_file', 'sample_prompts')

  // What a page has no switch for was written by hand, and is refused if it has no meaning.
  const isLycoris = config.get('network_module') === 'lycoris.kohya'
  if (isLycoris || type !== undefined) {
    for (const [key, name] of Object.entries(lycorisKeys)) page.argument(key, 'network_args', name, isLycoris)
  }
  const hasBlocks = page.take('enable_block_weights')
  if (hasBlocks !== undefined) {
    for (const key of blockKeys) page.argument(key, 'network_args', key, hasBlocks === true)
  }
  for (const [key, name] of Object.entries(prodigyKeys)) {
    page.argument(key, 'optimizer_args', name, /^prodigy$/i.test(`${config.get('optimizer_type')}`))
  }
  page.extend('network_args', page.take('network_args_custom'))
  page.extend('optimizer_args', page.take('optimizer_args_custom'))

  if (page.take('enable_base_weight') === false)
    for (const key of ['base_weights', 'base_weights_multiplier']) page.take(key)
  preview(page)
  const custom = page.take('ui_custom_params')
  return new Map([...page.result, ...(typeof custom === 'string' ? flattened('ui_custom_params', toml(custom)) : [])])
}

function preview(page: Page): void {
  const isWanted = page.take('enable_preview')
  const prompt = page.take('positive_prompts')
  const options = Object.entries(promptKeys).flatMap(([key, letter]) => {
    const value = page.take(key)
    return value === undefined || value === '' ? [] : [`--${letter} ${value}`]
  })
  if (isWanted === false)
    for (const key of ['sample_every_n_epochs', 'sample_sampler', 'sample_prompts']) page.take(key)
  else if (prompt !== undefined && prompt !== '') page.result.set('sample_prompt', [prompt, ...options].join(' '))
}

function toml(text: string): object {
  try {
    return parse(text)
  } catch (cause) {
    throw new StudioError('bad-request', `ui_custom_params: ${(cause as Error).message.split('\n')[0]}`, {
      cause,
      field: 'ui_custom_params',
    })
  }
}

/** A configuration whose keys are taken out or moved. */
class Page {
  readonly result: Map<string, Given>

  constructor(config: ReadonlyMap<string, Given>) {
    this.result = new Map(config)
  }

  take(key: string): Given | undefined {
    const value = this.result.get(key)
    this.result.delete(key)
    return value
  }

  rename(key: string, name: string): void {
    const value = this.take(key)
    if (value !== undefined && value !== '') this.result.set(name, value)
  }

  /** Makes a key an argument of a list, unless it is empty or not wanted. */
  argument(key: string, list: string, name: string, isWanted: boolean): void {
    const value = this.take(key)
    if (isWanted && value !== undefined && value !== '') this.extend(list, [`${name}=${[value].flat().join(',')}`])
  }

  extend(list: string, more: Given | undefined): void {
    const before = itemsOf(this.result.get(list))
    const all = [...before, ...itemsOf(more)]
    if (all.length > 0) this.result.set(list, all)
  }
}

/** A list, or text with an item a line. */
function itemsOf(value: Given | undefined): readonly Given[] {
  if (value === undefined || value === '') return []
  return typeof value === 'string' ? value.split('\n') : Array.isArray(value) ? value : [value]
}
