import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { StudioError } from '../errors.ts'
import { openWeights } from './openWeights.ts'
import { readSidecars } from './sidecars.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-sidecars-'))
afterAll(() => rmSync(folder, { recursive: true }))

const checkpoint = join(folder, 'model.v2.safetensors')
const write = (yaml: string) => writeFileSync(join(folder, 'model.v2.yaml'), yaml)

const encoder = (name: string) => `model: {params: {cond_stage_config: {params: {version: ${name}}}}}`

test('without a yaml there is nothing to read', () => {
  expect(readSidecars(join(folder, 'alone.ckpt'))).toEqual({})
  expect(readSidecars(join(folder, 'no-extension'))).toEqual({})
})

test('the yaml of the same name is read as plain data', () => {
  write('model:\n  params:\n    parameterization: v\n    list: [1, 2.5, true, ~]\n')
  const params = new Map<string, unknown>([
    ['parameterization', 'v'],
    ['list', [1, 2.5, true, null]],
  ])
  expect(readSidecars(checkpoint)).toEqual({ yaml: new Map([['model', new Map([['params', params]])]]) })
})

test('the text encoder it names is read from beside it, in either of the two usual places', () => {
  write(encoder('tiny'))
  mkdirSync(join(folder, 'tiny'))
  writeFileSync(join(folder, 'tiny', 'config.json'), '{"num_attention_heads": 3}')
  expect(readSidecars(checkpoint).textModel).toEqual(new Map([['num_attention_heads', 3]]))
  writeFileSync(join(folder, 'tiny.json'), '{"text_cfg": {"heads": 5}}')
  expect(readSidecars(checkpoint).textModel).toEqual(new Map([['text_cfg', new Map([['heads', 5]])]]))
})

test.each(['../secret', '/etc/passwd', 'openai/clip-vit-large-patch14', '..', '.hidden', "'a b'", '5'])(
  'the name %s of a text encoder leads to no file',
  (name) => {
    mkdirSync(join(folder, 'openai', 'clip-vit-large-patch14'), { recursive: true })
    writeFileSync(join(folder, 'openai', 'clip-vit-large-patch14', 'config.json'), '{}')
    write(encoder(name))
    expect(readSidecars(checkpoint).textModel).toBeUndefined()
  },
)

const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(10)}]`)

test.each([
  ['is no YAML', 'a: [1'],
  ['is a list', '- a\n- b\n'],
  ['is empty', ''],
  ['says a key twice', 'a: 1\na: 2\n'],
  ['is too long', `# ${'x'.repeat(2 ** 18)}\n`],
  ['is nested without end in brackets', `a: ${'['.repeat(2000)}${']'.repeat(2000)}`],
  ['is nested without end in braces', `${'{a: '.repeat(2000)}${'}'.repeat(2000)}`],
  ['is nested without end in one pair of braces', `{${'a:\n'.repeat(8000)}}`],
  ['is nested without end in one line', 'a: '.repeat(8000)],
  ['is nested without end in lists', `${'- '.repeat(2000)}a`],
  ['is nested without end in keys', `${'? '.repeat(1000)}a`],
  ['is nested without end by indentation', Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ['grows by references', `l0: &l0 [1, 2]\n${levels.join('\n')}\n`],
  ['refers to itself', 'a: &a [*a]\n'],
])('a yaml that %s is refused with its name', (_, yaml) => {
  write(yaml)
  expect(() => readSidecars(checkpoint)).toThrow(StudioError)
  expect(() => readSidecars(checkpoint)).toThrow(/^model\.v2\.yaml: /)
})

test('a tag in a yaml makes nothing but data', () => {
  write('a: !!python/object/apply:os.system ["touch athanor-canary"]\n')
  expect(readSidecars(checkpoint).yaml).toEqual(new Map([['a', ['touch athanor-canary']]]))
})

test('a configuration that is no JSON is refused with its name', () => {
  write(encoder('broken'))
  writeFileSync(join(folder, 'broken.json'), '{')
  expect(() => readSidecars(checkpoint)).toThrow(/broken\.json: not JSON/)
})

test.skipIf(process.platform === 'win32')('a device in the place of a file is refused and not read', () => {
  for (const name of ['device.yaml', 'device.safetensors']) symlinkSync('/dev/zero', join(folder, name))
  expect(() => readSidecars(join(folder, 'device.ckpt'))).toThrow(/device\.yaml: not a file/)
  expect(() => openWeights(join(folder, 'device.safetensors'))).toThrow(/device\.safetensors: not a file/)
})
