import { expect, test } from 'vitest'
import { groupsOf, scriptGroups } from './groups.ts'
import { cases, casesOf } from './recorded.ts'

test('every recorded group is replayed, except those that name a script', () => {
  const replayed = Object.values(groupsOf).flat()
  expect([...replayed, ...scriptGroups].sort()).toEqual([...new Set(cases.map(({ group }) => group))].sort())
  expect(cases).toHaveLength(488)
})

test('what is left to the server are the requests that name a script, and no others', () => {
  expect(casesOf(...scriptGroups).map(({ id }) => id)).toEqual([
    'xyz/sr_seed_num_strength',
    'xyz/seed_steps',
    'xyz/order',
    'xyz/legend',
    'xyz/varstr',
    'script/prompt_matrix',
    'script/prompts_from_file',
    'script/loopback',
    'script/sd_upscale',
    'script/outpainting_mk2',
    'xyz/cfg_range_sampler',
    'xyz/cfg_count',
    'xyz/sampler_dropdown',
    'xyz/xyz3_csv',
  ])
})
