import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allOf, tinyClip, tinyUnet, tinyVae, writeTinyDrawings } from '../../test/train/tinyRuns.ts'
import type { EmojiRow } from '../dataset/emoji/buildEmojiSet.ts'
import { openPictureStore } from '../dataset/pictureStore.ts'
import { openStudio } from '../pipeline/studio.ts'
import { trainClip } from '../train/clipRun.ts'
import { exportModel } from '../train/exportModel.ts'
import { trainUnet } from '../train/unetRun.ts'
import { trainVae } from '../train/vaeRun.ts'
import { openEvaluator } from './evaluator.ts'
import { measureModel } from './measureModel.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-measure-'))
const folderOf = (name: string) => join(root, 'training', name)
const places = (name: string) => ({ dataDir: root, folder: folderOf(name), threads: 1 })
const embedded = join(root, 'tiny.safetensors')

beforeAll(async () => {
  await writeTinyDrawings(root)
  await allOf(trainVae(tinyVae, places('vae')))
  await allOf(trainClip({ ...tinyClip, steps: 1, judge: { ...tinyClip.judge, everySteps: 9 } }, places('clip')))
  await allOf(trainUnet({ ...tinyUnet, steps: 1, examples: 8 }, places('unet')))
  await exportModel({ folder: folderOf('unet'), path: embedded, title: 'Tiny' })
})
afterAll(() => rmSync(root, { recursive: true }))

test('a model is measured by what it paints and by drawings it was not shown', async () => {
  const studio = openStudio(join(root, 'empty'), { threads: 1, embedded })
  const evaluator = await openEvaluator(folderOf('clip'), 1)
  const store = openPictureStore<EmojiRow>(join(root, 'drawings'))
  try {
    const prompts = {
      common: Array.from({ length: 40 }, (_, i) => `a ball ${i}`),
      unseen: Array.from({ length: 24 }, (_, i) => `a blue cup ${i}`),
    }
    const { report, sheet } = await measureModel({
      ...{ studio, evaluator, store, prompts, groups: ['objects'] },
      ...{ seeds: 1, steps: 1, cfgScale: 2 },
    })
    expect(sheet.length).toBe(64)
    expect(report).toMatchObject({ checkpoint: { name: 'tiny' }, prompts: 64, seeds: 1 })
    const { common, unseen } = report.byKind
    const all = 40 * common!.first.value + 24 * unseen!.first.value
    expect(report.generated.first.value).toBeCloseTo(all / 64, 10)
    expect(report.generated.firstFive.value).toBeGreaterThanOrEqual(report.generated.first.value)
    for (const { low, value, high } of [report.kid, report.copies, report.psnr, report.psnrOtherStyle]) {
      expect(low).toBeLessThanOrEqual(value)
      expect(high).toBeGreaterThanOrEqual(value)
    }
  } finally {
    store.close()
    await evaluator.dispose()
    await studio.close()
  }
})
