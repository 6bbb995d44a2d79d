import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { writeTinyBlip } from '../../test/models/tinyBlip.ts'
import { openBlip, usualCaptioning } from '../dataset/tagging/blip/openBlip.ts'
import { encodePng } from '../image/encode.ts'
import { filled } from '../image/picture.ts'
import { tagCommand } from './datasetTag.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-tag-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const model = writeTinyBlip(join(root, 'blip'))
const pictures = { a: filled(3, 32, 32, [250, 30, 60]), b: filled(3, 48, 24, [10, 200, 90]) }

async function writeSet(name: string): Promise<string> {
  const set = join(root, name)
  mkdirSync(set)
  for (const [stem, picture] of Object.entries(pictures)) {
    writeFileSync(join(set, `${stem}.png`), await encodePng(picture))
  }
  writeFileSync(join(set, 'b.txt'), 'mine')
  return set
}

const asked = { prompt: 'w5 w9', minLength: 6, maxLength: 12 }
const options = ['--model', model, '--prompt', 'w5 w9', '--min-length', '6', '--max-length', '12', '--threads', '1']
const tag = (set: string, ...args: readonly string[]) =>
  tagCommand()
    .exitOverride()
    .parseAsync([set, ...options, ...args], { from: 'user' })
const textOf = (set: string, name: string) => readFileSync(join(set, name), 'utf8').trimEnd()

async function captions(own: Partial<typeof usualCaptioning> = {}): Promise<readonly string[]> {
  const blip = await openBlip(model, { ...usualCaptioning, ...asked, ...own }, { threads: 1 })
  const found = [await blip.caption(pictures.a), await blip.caption(pictures.b)]
  await blip.dispose()
  return found
}

test('a BLIP writes a sentence beside every picture; what is there already stays, or is joined', async () => {
  const [a, b] = await captions()
  const set = await writeSet('set')
  await tag(set)
  expect([textOf(set, 'a.txt'), textOf(set, 'b.txt')]).toEqual([a, 'mine'])
  await tag(set, '--conflict', 'prepend', '--add', 'photo')
  expect(textOf(set, 'b.txt')).toBe(`photo, ${b}, mine`)
  await tag(set, '--caption-extension', '.caption')
  expect([textOf(set, 'a.caption'), textOf(set, 'b.caption')]).toEqual([a, b])
})

test('a BLIP draws words where a nucleus is asked for, with its own penalty, by the seed', async () => {
  const by = { kind: 'nucleus', topP: 0.9, seed: 7 } as const
  const [a] = await captions({ repetitionPenalty: 1.1, by })
  const set = await writeSet('drawn')
  await tag(set, '--top-p', '0.9', '--seed', '7')
  expect(textOf(set, 'a.txt')).toBe(a)
})

test('what a BLIP has not is refused before any picture is looked at', async () => {
  const set = await writeSet('refused')
  await expect(tag(set, '--json', join(root, 'scores.json'))).rejects.toThrow('json: a BLIP writes sentences')
  await expect(tag(set, '--threshold', '0.4')).rejects.toThrow('threshold: a BLIP writes sentences')
  await expect(tag(set, '--max-length', '75')).rejects.toThrow('max length: 75 tokens, this model writes at most 40')
  expect(existsSync(join(set, 'a.txt'))).toBe(false)
})
