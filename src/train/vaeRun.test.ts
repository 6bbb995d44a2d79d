import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tinyOptimizer } from '../../test/train/tinyRuns.ts'
import type { EmojiRow } from '../dataset/emoji/buildEmojiSet.ts'
import { writePictureStore } from '../dataset/pictureStore.ts'
import { openWeights } from '../files/openWeights.ts'
import { readBytes } from '../files/readWeight.ts'
import { picture } from '../image/picture.ts'
import { readStepLog } from './log/stepLog.ts'
import { checkpointPath, type RunEvent } from './run.ts'
import type { VaeRun } from './vaeConfig.ts'
import { trainVae } from './vaeRun.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-vae-'))
const data = join(root, 'store')
const run: VaeRun = {
  seed: 3,
  data,
  model: { channels: 8, mult: [1, 2], resBlocks: 1, latentChannels: 4, normGroups: 4 },
  stages: [
    { steps: 4, batch: 4, size: 8 },
    { steps: 3, batch: 2, size: 16 },
  ],
  accumulation: 2,
  recomputes: false,
  optimizer: tinyOptimizer,
  loss: { gradient: 0.5, gradientScales: 2, kl: 1e-5 },
  judge: { everySteps: 3, pictures: 3 },
  checkpointSeconds: 1e-9,
}

beforeAll(async () => {
  async function* drawings() {
    for (let i = 0; i < 80; i++) {
      const row = {
        slug: `thing-${i}`,
        label: '',
        tags: [],
        chineseLabel: undefined,
        chineseTags: [],
        group: 'objects',
      }
      const use = i % 4 === 0 ? ('held-out style' as const) : ('training' as const)
      const disc = picture(4, 16, 16)
      for (let at = 0; at < 256; at++) {
        const isInside = Math.hypot((at % 16) - 7, Math.floor(at / 16) - 7) < 3 + (i % 5)
        if (isInside) disc.data.set([200, 3 * i, 60, 255], 4 * at)
      }
      yield { row: { ...row, set: 'noto', style: 'noto emoji', use } satisfies EmojiRow, picture: disc }
    }
  }
  await writePictureStore<EmojiRow>(data, 16, drawings())
})
afterAll(() => rmSync(root, { recursive: true }))

const start = (folder: string, numbers: Partial<VaeRun> = {}) =>
  trainVae({ ...run, ...numbers }, { dataDir: root, folder, threads: 1 })

async function all(events: AsyncIterable<RunEvent>): Promise<readonly RunEvent[]> {
  const list: RunEvent[] = []
  for await (const event of events) list.push(event)
  return list
}

const losses = (folder: string) => readStepLog(join(folder, 'log.jsonl')).map(({ seconds, ...line }) => line)
const judgements = (folder: string) => readStepLog(join(folder, 'judgements.jsonl'))
const weights = (folder: string) =>
  [...openWeights(checkpointPath(folder)).entries.values()].map((entry) => [
    entry.name,
    Buffer.from(readBytes(entry)).toString('base64'),
  ])

test('killed at any moment and started again, a run is the one that was not', async () => {
  const whole = join(root, 'whole')
  const events = await all(start(whole))
  expect(events.filter(({ kind }) => kind === 'step').length).toBe(7)
  expect(judgements(whole).map(({ step }) => step)).toEqual([3, 6, 7])
  expect(judgements(whole)[0]).toMatchObject({
    'PSNR held out': expect.any(Number),
    'PSNR other style': expect.any(Number),
  })

  // What a killed process leaves is what lies on the disk: here after steps that were logged but not saved.
  const killed = join(root, 'killed')
  let saved = 0
  for await (const event of start(join(root, 'running'))) {
    if (event.kind === 'saved') saved++
    if (event.kind === 'step' && saved === 4) {
      cpSync(join(root, 'running'), killed, { recursive: true })
      break
    }
  }
  expect(losses(killed).length).toBe(5)
  const [first] = await all(start(killed))
  expect(first).toEqual({ kind: 'resumed', step: 4 })
  expect(losses(killed)).toEqual(losses(whole))
  expect(judgements(killed)).toEqual(judgements(whole))
  expect(weights(killed)).toEqual(weights(whole))
}, 60_000)

test('whoever stops pulling finds the last step saved', async () => {
  const folder = join(root, 'stopped')
  for await (const event of start(folder, { checkpointSeconds: 1e9 })) {
    if (event.kind === 'step' && event.step.step === 2) break
  }
  expect(openWeights(checkpointPath(folder)).metadata.get('step')).toBe('2')
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
})
