import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { clipFromTransformers, openClipFromTransformers, unetFromDiffusers, vaeFromDiffusers } from './keys.ts'

type Pairs = readonly (readonly [string, string])[]
const published: Record<'unet' | 'vae' | 'clip' | 'openclip', Pairs> = JSON.parse(
  readFileSync('src/models/goldens/diffusers-names.json', 'utf8'),
)

/** A third of a joint projection under the name it has once it is split. */
const split = (name: string) =>
  name.replace(/in_proj_(weight|bias)\[(\d)\]$/, (_, end, third) => `${['q_proj', 'k_proj', 'v_proj'][third]}.${end}`)

test.each([
  ['unet', unetFromDiffusers],
  ['vae', vaeFromDiffusers],
  ['clip', clipFromTransformers],
  ['openclip', openClipFromTransformers],
] as const)(
  'every name diffusers gives to a %s leads back to the checkpoint it was converted from',
  (part, translate) => {
    const pairs = published[part]
    const found = translate(pairs.map(([name]) => name))
    expect([...found]).toEqual(pairs.map(([name, inCheckpoint]) => [name, split(inCheckpoint)]))
  },
)

test('the names older versions of diffusers gave to the attention of a VAE are known too', () => {
  const old = ['query', 'key', 'value', 'proj_attn', 'group_norm'].map(
    (layer) => `decoder.mid_block.attentions.0.${layer}.weight`,
  )
  const expected = ['q', 'k', 'v', 'proj_out', 'norm'].map((layer) => `decoder.mid.attn_1.${layer}.weight`)
  expect([...vaeFromDiffusers(old).values()]).toEqual(expected)
})

test('a text encoder may be named without text_model in front', () => {
  const name = 'encoder.layers.3.self_attn.q_proj.weight'
  expect(clipFromTransformers([name]).get(name)).toBe(name)
  expect(openClipFromTransformers([name]).get(name)).toBe('transformer.resblocks.3.attn.q_proj.weight')
})

test('names of nothing known have no counterpart', () => {
  for (const translate of [unetFromDiffusers, vaeFromDiffusers, clipFromTransformers, openClipFromTransformers]) {
    expect(translate(['', '.', 'down_blocks', 'up_blocks.x.resnets.0.norm1.weight', '__proto__']).size).toBe(0)
  }
})
