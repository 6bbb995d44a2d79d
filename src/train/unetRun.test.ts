import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allOf, tinyClip, tinySize, tinyUnet, tinyVae, writeTinyDrawings } from '../../test/train/tinyRuns.ts'
import { alphasCumprod } from '../diffusion/betas.ts'
import { openWeights } from '../files/openWeights.ts'
import { readBytes, readWeight } from '../files/readWeight.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { decodePicture } from '../image/decode.ts'
import { detectModel } from '../models/detect.ts'
import { inspectWeights } from '../models/inspect.ts'
import { generate } from '../pipeline/generate.ts'
import { openStudio } from '../pipeline/studio.ts'
import { recipeFromRequest } from '../pipeline/wire/recipeFromRequest.ts'
import { readAverages } from './checkpoint.ts'
import { trainClip } from './clipRun.ts'
import { exportModel } from './exportModel.ts'
import { readStepLog } from './log/stepLog.ts'
import { checkpointPath } from './run.ts'
import { type UnetRun, unetRunSchema } from './unetConfig.ts'
import { trainUnet } from './unetRun.ts'
import { trainVae } from './vaeRun.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-unet-'))
const whole = join(root, 'training', 'unet')
const model = join(root, 'tiny.safetensors')
const places = (folder: string) => ({ dataDir: root, folder, threads: 1 })
const start = (folder: string, numbers: Partial<UnetRun> = {}) => trainUnet({ ...tinyUnet, ...numbers }, places(folder))
const losses = (folder: string) => readStepLog(join(folder, 'log.jsonl')).map(({ seconds, ...line }) => line)
const judgements = (folder: string) => readStepLog(join(folder, 'judgements.jsonl'))

beforeAll(async () => {
  await writeTinyDrawings(root)
  await allOf(trainVae(tinyVae, places(join(root, 'training', 'vae'))))
  await allOf(trainClip(tinyClip, places(join(root, 'training', 'clip'))))
  await allOf(start(whole))
  await exportModel({ folder: whole, path: model, title: 'Tiny' })
})
afterAll(() => rmSync(root, { recursive: true }))

test('a run is judged with the right, no and a wrong caption, and shows what it paints', async () => {
  expect(judgements(whole).map(({ step }) => step)).toEqual([3, 5])
  const { 'error right caption': right, 'error no caption': none, 'error wrong caption': wrong } = judgements(whole)[1]!
  for (const error of [right!, none!, wrong!]) expect(error).toBeGreaterThan(0)
  expect(right).not.toBe(wrong)
  const { width, height } = await decodePicture(readFileSync(join(whole, 'sheets', '000005.png')))
  expect([width, height]).toEqual([2 * tinySize, tinySize])
})

test('killed between steps and started again, a run is the one that was not, whatever became of its parts', async () => {
  const running = join(root, 'running')
  const killed = join(root, 'killed')
  let saved = 0
  for await (const event of start(running)) {
    if (event.kind === 'saved') saved++
    if (event.kind === 'step' && saved === 2) {
      cpSync(running, killed, { recursive: true })
      break
    }
  }
  const [first] = await allOf(start(killed, { autoencoder: 'nowhere', text: 'nowhere' }))
  expect(first).toEqual({ kind: 'resumed', step: 2 })
  expect(losses(killed)).toEqual(losses(whole))
  expect(judgements(killed)).toEqual(judgements(whole))
  const bytes = (folder: string) =>
    [...openWeights(checkpointPath(folder)).entries.values()].map((entry) => Buffer.from(readBytes(entry)))
  expect(bytes(killed)).toEqual(bytes(whole))
})

test('computing the way forth a second time changes no number', async () => {
  const folder = join(root, 'recomputed')
  await allOf(start(folder, { recomputes: true }))
  expect(losses(folder)).toEqual(losses(whole))
})

test('a run with noise up to the last timestep says so in its checkpoint, and needs v', async () => {
  const folder = join(root, 'zero-terminal')
  await allOf(start(folder, { zeroTerminalSnr: true, steps: 1 }))
  expect(losses(folder)[0]!.loss).not.toBe(losses(whole)[0]!.loss)
  const path = join(root, 'zero-terminal.safetensors')
  await exportModel({ folder, path, title: 'Tiny' })
  const { config } = detectModel(openWeights(path))
  expect(config.betas.isZeroTerminal).toBe(true)
  expect(alphasCumprod(config.betas).at(-1)).toBeLessThan(1e-7)
  expect(detectModel(openWeights(model)).config.betas.isZeroTerminal).toBeUndefined()
  const parsed = unetRunSchema.safeParse({ ...tinyUnet, prediction: 'epsilon', zeroTerminalSnr: true })
  expect(parsed.error?.issues).toMatchObject([{ path: ['zeroTerminalSnr'], message: 'needs prediction = "v"' }])
})

test('another optimizer trains it, and goes on the same after a stop', async () => {
  const numbers = { optimizer: { ...tinyUnet.optimizer, kind: 'lion' }, steps: 3 } as const
  const [all, halves] = [join(root, 'lion'), join(root, 'lion in two')]
  await allOf(start(all, numbers))
  for await (const event of start(halves, numbers)) if (event.kind === 'step' && event.step.step === 2) break
  await allOf(start(halves, numbers))
  expect(losses(halves)).toEqual(losses(all))
  expect(losses(all)[2]!.loss).not.toBe(losses(whole)[2]!.loss)
})

test('an exported checkpoint says what it is and holds the averages in half precision', () => {
  const { checkpoint, warnings, metadata, nativeSize } = inspectWeights(openWeights(model))
  expect(nativeSize).toBe(tinySize)
  expect(warnings).toEqual([])
  expect(checkpoint).toMatchObject({
    kind: 'sd1',
    prediction: 'v',
    scaleFactor: 1,
    text: { width: 16, layers: 1, heads: 2, vocabulary: 49408 },
    unet: { channels: 8, mult: [1, 2], heads: { channels: 4 }, normGroups: 4 },
    vae: { channels: 8, mult: [1, 1, 1, 1], normGroups: 4 },
  })
  expect(metadata.get('modelspec.resolution')).toBe('16x16')
  expect(metadata.get('training_sources')).toContain('"licence":"MIT"')
  const name = 'model.diffusion_model.time_embed.0.weight'
  const [stored, average] = [readWeight(openWeights(model).entries.get(name)!), readAverages(checkpointPath(whole))]
  const exact = average.averages.get(name)!.data
  for (const [i, x] of stored.data.entries())
    expect(Math.abs(x - exact[i]!)).toBeLessThanOrEqual(2 ** -11 * Math.abs(exact[i]!) + 2 ** -25)
  // The whole table would take a megabyte and a half alone.
  expect(statSync(model).size).toBeLessThan(300_000)
})

test('the exported checkpoint is used where there is no other, and paints at its own size', async () => {
  const studio = openStudio(join(root, 'empty'), { threads: 1, embedded: model })
  try {
    const recipe = await recipeFromRequest({ prompt: 'a ball', steps: 2, seed: 1 }, 'txt2img', studio)
    expect(recipe).toMatchObject({ width: 16, height: 16, checkpoint: { name: 'tiny' } })
    const asked = await recipeFromRequest({ prompt: 'a ball', width: 24, seed: 1 }, 'txt2img', studio)
    expect(asked).toMatchObject({ width: 24, height: 16 })
    const pictures = []
    for await (const event of generate(studio, recipe)) if (event.kind === 'image') pictures.push(event.image.picture)
    expect(pictures).toMatchObject([{ width: 16, height: 16 }])
  } finally {
    await studio.close()
  }
})

test('a model is taken further: its parts stay as they are, its noise predictor goes on from where it was', async () => {
  const folder = join(root, 'further')
  const further = { base: 'tiny.safetensors', autoencoder: undefined, text: undefined, steps: 1 }
  const begun = start(folder, { ...further, optimizer: { ...tinyUnet.optimizer, learningRate: 1e-12 } })
  await allOf(begun)
  const path = join(root, 'further.safetensors')
  await exportModel({ folder, path, title: 'Tiny' })
  const [before, after] = [model, path].map((file) => openWeights(file))
  for (const [name, entry] of before!.entries) {
    expect([name, Buffer.from(readBytes(after!.entries.get(name)!))]).toEqual([name, Buffer.from(readBytes(entry))])
  }
  expect(after!.metadata.get('training_sources')).toBe(before!.metadata.get('training_sources'))

  const other = start(join(root, 'wider'), { ...further, model: { ...tinyUnet.model, channels: 16 } })
  await expect(allOf(other)).rejects.toThrow(/tiny.safetensors: .* and \[/)
  const neither = start(join(root, 'neither'), { ...further, base: undefined })
  await expect(allOf(neither)).rejects.toThrow('text is missing')
})

test('parts that are not those it was trained on are refused', async () => {
  const folder = join(root, 'mixed')
  cpSync(whole, folder, { recursive: true })
  const parts = join(folder, 'parts.safetensors')
  const attempt = () => exportModel({ folder, path: join(root, 'no.safetensors'), title: 'No' })
  const { entries, metadata } = openWeights(parts)
  writeSafetensors(parts, [...entries.values()].slice(1), new Map([['configs', metadata.get('configs')!]]))
  await expect(attempt()).rejects.toThrow('is not what')
  cpSync(join(root, 'training', 'vae', 'checkpoint.safetensors'), parts)
  await expect(attempt()).rejects.toThrow('does not say what its parts are')
  expect(existsSync(join(root, 'no.safetensors'))).toBe(false)
})
