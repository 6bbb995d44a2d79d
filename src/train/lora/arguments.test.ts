import { expect, test } from 'vitest'
import type { Given } from '../given.ts'
import { readArguments } from './arguments.ts'

const read = (config: Readonly<Record<string, Given>>) =>
  readArguments(new Map(Object.entries(config)), new Map()).values

test('a configuration of lora-scripts’ training page is understood: switches, own lists, previews and TOML', () => {
  const values = read({
    model_train_type: 'sd-lora',
    network_module: 'lycoris.kohya',
    lycoris_algo: 'lokr',
    conv_dim: 4,
    conv_alpha: 1,
    dropout: 0,
    lokr_factor: -1,
    network_args_custom: ['preset=attn-mlp'],
    enable_block_weights: true,
    down_lr_weight: '1,0.5',
    mid_lr_weight: 1,
    up_lr_weight: [1, 1],
    block_lr_zero_threshold: 0,
    optimizer_type: 'Prodigy',
    prodigy_d_coef: '2.0',
    optimizer_args_custom: ['weight_decay=0.01'],
    unet_lr: '1e-4',
    enable_preview: true,
    positive_prompts: 'a cat',
    negative_prompts: 'blurry',
    sample_width: 512,
    sample_height: 768,
    sample_cfg: 7,
    sample_seed: 2333,
    sample_steps: 24,
    sample_sampler: 'euler_a',
    sample_every_n_epochs: 2,
    enable_base_weight: true,
    base_weights: 'a.safetensors\nb.safetensors',
    max_token_length: 255,
    ui_custom_params: 'seed = 7\n[more]\nclip_skip = 1',
    clip_skip: 2,
  })
  expect(values).toMatchObject({
    network_args: [
      'algo=lokr',
      'conv_dim=4',
      'conv_alpha=1',
      'dropout=0',
      'factor=-1',
      'down_lr_weight=1,0.5',
      'mid_lr_weight=1',
      'up_lr_weight=1,1',
      'block_lr_zero_threshold=0',
      'preset=attn-mlp',
    ],
    optimizer_args: ['d_coef=2.0', 'weight_decay=0.01'],
    unet_lr: 1e-4,
    sample_prompt: 'a cat --n blurry --w 512 --h 768 --l 7 --s 24 --d 2333',
    sample_sampler: 'euler_a',
    base_weights: ['a.safetensors', 'b.safetensors'],
    seed: 7,
    clip_skip: 1,
  })
})

test('what a page’s switch has off does not count', () => {
  const values = read({
    model_train_type: 'sd-lora',
    network_module: 'networks.lora',
    lycoris_algo: 'loha',
    conv_dim: 4,
    enable_block_weights: false,
    down_lr_weight: '0,0',
    enable_preview: false,
    positive_prompts: 'a cat',
    sample_every_n_epochs: 2,
    sample_sampler: 'euler_a',
    enable_base_weight: false,
    base_weights: 'a.safetensors',
  })
  expect(values).toMatchObject({ network_args: [], base_weights: [], sample_prompt: undefined })
  expect(values.sample_every_n_epochs).toBeUndefined()
})

test('what no switch of a page is about is not passed over in silence', () => {
  expect(() => read({ network_module: 'networks.lora', conv_dim: 4 })).toThrow('conv_dim: no such parameter')
  expect(() => read({ down_lr_weight: '1,1' })).toThrow('down_lr_weight: no such parameter')
})

test('a page for another model, and custom TOML that is none, are refused in words', () => {
  expect(() => read({ model_train_type: 'sdxl-lora' })).toThrow('sdxl-lora is not trained here, sd-lora is')
  expect(() => read({ ui_custom_params: 'seed 7' })).toThrow(/^ui_custom_params: /)
})
