import { expect, test } from 'vitest'
import { readArguments } from './arguments.ts'
import { findScript, scripts } from './index.ts'
import { strengthAt } from './loopback.ts'
import { marginsOf } from './outpainting.ts'
import { combinations } from './promptMatrix.ts'
import { readLine } from './promptsFromFile.ts'
import { shellWords } from './shellWords.ts'

test('scripts are found in any case, and only where they are offered', () => {
  expect(findScript('X/Y/Z plot', 'txt2img')?.title).toBe('x/y/z plot')
  expect(findScript('SD upscale', 'img2img')?.title).toBe('sd upscale')
  expect(findScript('SD upscale', 'txt2img')).toBeUndefined()
})

test('every script can be run with nothing but its defaults, as the page has them', () => {
  const names = { checkpoints: ['a'], upscalers: ['None', 'Lanczos'] }
  for (const { args, endpoints } of scripts) {
    for (const endpoint of endpoints) expect(() => readArguments([], args(endpoint, names))).not.toThrow()
  }
})

test('optional parts of a prompt are combined in binary order', () => {
  expect(combinations(['a cat', 'red', ' big,'], { atStart: false, delimiter: ', ' })).toEqual([
    ...['a cat', 'a cat, red', 'a cat, big', 'a cat, red, big'],
  ])
  expect(combinations(['a', 'b'], { atStart: true, delimiter: ' ' })).toEqual(['a', 'b a'])
})

test('the strength of a loop walks from one end to the other', () => {
  const walk = (curve: 'Aggressive' | 'Linear' | 'Lazy') => [0, 1, 2].map((i) => strengthAt(i, 3, 0.8, 0.2, curve))
  const [, middle] = [walk('Linear'), walk('Aggressive'), walk('Lazy')].map(([, value]) => value!)
  expect(walk('Linear')).toEqual([0.8, expect.closeTo(0.5, 12), expect.closeTo(0.2, 12)])
  expect(middle).toBeCloseTo(0.8 - 0.6 * Math.SQRT1_2, 12)
  expect(walk('Lazy')[1]).toBeCloseTo(0.8 - 0.6 * (1 - Math.SQRT1_2), 12)
  expect(strengthAt(0, 1, 0.8, 0.2, 'Linear')).toBe(0.8)
})

test('margins fill up to a multiple of 64, shared as the sides were asked for', () => {
  expect(marginsOf({ width: 100, height: 64 }, 32, ['left', 'right'])).toEqual({ left: 46, right: 46, up: 0, down: 0 })
  expect(marginsOf({ width: 128, height: 128 }, 64, ['up'])).toEqual({ left: 0, right: 0, up: 64, down: 0 })
})

test('lines are taken apart as a shell does', () => {
  const words = (line: string) => shellWords(line, 'f')
  expect(words(String.raw`--prompt "a \"big\" dog" 'it''s' a\ b`)).toEqual(['--prompt', 'a "big" dog', 'its', 'a b'])
  expect(words('""')).toEqual([''])
  expect(() => words('"open')).toThrow(expect.objectContaining({ code: 'bad-request', field: 'f' }))
})

test('options of a line become fields', () => {
  expect(readLine('--prompt a big dog --steps 4 --sampler_name k_euler --tiling true --sd_model x', {})).toEqual({
    prompt: 'a big dog',
    steps: 4,
    sampler_name: 'Euler',
    tiling: true,
    override_settings: { sd_model_checkpoint: 'x' },
  })
  expect(readLine('--sampler_index 6', {})).toEqual({ sampler_name: 'Euler a' })
  for (const line of ['--nope 1', 'words --steps 4', '--steps', '--steps x']) {
    expect(() => readLine(line, {})).toThrow(expect.objectContaining({ field: 'script_args.3' }))
  }
})
