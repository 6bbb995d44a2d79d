import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Portable } from './portable.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const here = new Portable(join(root, 'data'))
const there = new Portable('/mnt/studio')

test('files of the data folder and of the program are found at their place on another machine', () => {
  const task = {
    recipe: {
      checkpoint: { name: 'a', path: join(root, 'data/models/Stable-diffusion/a.safetensors') },
      networks: new Map([['x', { path: join(root, 'data/models/Lora/x.safetensors') }]]),
      vae: { path: join(root, 'assets/vae.safetensors') },
      init: { pictures: [{ data: new Uint8Array([1, 2]) }] },
    },
    request: { body: { path: join(root, 'data/secret') } },
    at: new Date(5),
  }
  const moved = there.unpack(here.pack(task))
  expect(moved).toEqual({
    ...task,
    recipe: {
      ...task.recipe,
      checkpoint: { name: 'a', path: '/mnt/studio/models/Stable-diffusion/a.safetensors' },
      networks: new Map([['x', { path: '/mnt/studio/models/Lora/x.safetensors' }]]),
      vae: { path: resolve(root, 'assets/vae.safetensors') },
    },
  })
  expect(here.unpack(there.pack(moved))).toEqual(task)
})

test('what lies elsewhere keeps its path, and a folder that is named alike is elsewhere', () => {
  for (const path of ['/elsewhere/a.safetensors', `${join(root, '../data-of-others')}/a`, '/mnt/studio2/a']) {
    expect(there.pack({ path })).toEqual({ path })
  }
})
