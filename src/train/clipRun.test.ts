import { cpSync, mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allOf, tinyClip, writeTinyDrawings } from '../../test/train/tinyRuns.ts'
import type { CaptionedRow } from '../dataset/captioned/importPictures.ts'
import { writePictureStore } from '../dataset/pictureStore.ts'
import { openWeights } from '../files/openWeights.ts'
import { readBytes } from '../files/readWeight.ts'
import { filled } from '../image/picture.ts'
import { openTokenizer } from '../pipeline/openTokenizer.ts'
import { trainClip } from './clipRun.ts'
import { readTrainedText, tokenTable } from './frozenParts.ts'
import { readStepLog } from './log/stepLog.ts'
import { checkpointPath } from './run.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-clip-'))
beforeAll(() => writeTinyDrawings(root))
afterAll(() => rmSync(root, { recursive: true }))

const start = (folder: string) => trainClip(tinyClip, { dataDir: root, folder, threads: 1 })
const losses = (folder: string) => readStepLog(join(folder, 'log.jsonl')).map(({ seconds, ...line }) => line)
const bytesOf = (folder: string) =>
  [...openWeights(checkpointPath(folder)).entries.values()].map((entry) => [
    entry.name,
    Buffer.from(readBytes(entry)).toString('base64'),
  ])

test('killed while pictures are drawn or while it learns, a run is in the end the one that was not', async () => {
  const whole = join(root, 'whole')
  await allOf(start(whole))
  expect(losses(whole).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5])
  expect(readStepLog(join(whole, 'judgements.jsonl')).map(({ step }) => step)).toEqual([3, 5])

  // Cut off in the middle of a picture, and again after a step that was logged but not saved.
  const killed = join(root, 'killed')
  for await (const event of start(join(root, 'drawing'))) {
    if (event.kind === 'prepared' && event.what === 'training pictures') break
  }
  cpSync(join(root, 'drawing'), killed, { recursive: true })
  truncateSync(join(killed, 'pictures', 'records'), 40 * 768 + 5)
  const again = join(root, 'again')
  let saved = 0
  for await (const event of start(killed)) {
    if (event.kind === 'saved') saved++
    if (event.kind === 'step' && saved === 3) {
      cpSync(killed, again, { recursive: true })
      break
    }
  }
  const [first] = await allOf(start(again))
  expect(first).toEqual({ kind: 'resumed', step: 3 })
  expect(losses(again)).toEqual(losses(whole))
  expect(bytesOf(again)).toEqual(bytesOf(whole))
})

test('a trained text encoder has the rows of the words that occur and all positions', () => {
  const { config, weights, tokens } = readTrainedText(join(root, 'whole'))
  expect(config).toMatchObject({ width: 16, layers: 1, heads: 2, vocabulary: 49408, tokens: 77 })
  expect(weights.get(tokenTable)!.shape).toEqual([tokens.length, 16])
  expect([...tokens]).toEqual([...tokens].sort((a, b) => a - b))
  const positions = weights.get(tokenTable.replace('token_embedding', 'position_embedding'))!
  expect(positions.shape).toEqual([77, 16])
  // Trained with a window of 12, the others are like the last of these.
  expect(positions.data.subarray(76 * 16)).toEqual(positions.data.subarray(11 * 16, 12 * 16))
  expect(positions.data.subarray(76 * 16)).not.toEqual(positions.data.subarray(10 * 16, 11 * 16))
})

test('pictures that came with captions are learnt from as they are', async () => {
  async function* pictures() {
    for (let i = 0; i < 60; i++) {
      const row: CaptionedRow = { key: `${i}`, captions: [`thing number ${i}`, `${i} of them`], part: i % 25 }
      yield { row, picture: filled(4, 16, 16, [4 * i, 50, 90, 255]) }
    }
  }
  await writePictureStore<CaptionedRow>(join(root, 'captioned'), 16, pictures())
  const { scenes, ...rest } = tinyClip
  const folder = join(root, 'of-captioned')
  await allOf(trainClip({ ...rest, data: 'captioned', steps: 1 }, { dataDir: root, folder, threads: 1 }))
  expect(losses(folder).length).toBe(1)
  const { tokens } = readTrainedText(folder)
  const known = new Set(tokens)
  for (const token of openTokenizer('clip').encode('thing number 59 of them')) expect(known).toContain(token)

  const drawings = trainClip(rest, { dataDir: root, folder: join(root, 'none'), threads: 1 })
  await expect(allOf(drawings)).rejects.toThrow('scenes: missing, and the store has drawings without captions')
})
