import { execFile } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ComparisonReport } from '../src/compare/compare.ts'
import { decodePicture, pictureSize } from '../src/image/decode.ts'
import { readInfotext } from '../src/image/readInfotext.ts'
import { trainClip } from '../src/train/clipRun.ts'
import { allOf, tinyClip, writeTinyDrawings } from './train/tinyRuns.ts'

/** Every command starts the whole program; on a busy machine that alone takes long. */
const patienceMs = 1_800_000

const root = fileURLToPath(new URL('..', import.meta.url))
const photos = join(root, 'test', 'golden-training', 'dataset', 'train', '3_foo style')
const folder = mkdtempSync(join(tmpdir(), 'athanor-guide-'))
const at = (...parts: readonly string[]) => join(folder, ...parts)
const dataDir = at('data')

beforeAll(async () => {
  const models = join(dataDir, 'models', 'Stable-diffusion')
  mkdirSync(models, { recursive: true })
  for (const name of ['tiny-sd1.safetensors', 'tiny-sd1.yaml']) {
    symlinkSync(join(root, 'test', 'golden', 'models', name), join(models, name))
  }
  mkdirSync(at('photos'))
  for (const name of readdirSync(photos).filter((each) => each.endsWith('.png')))
    copyFileSync(join(photos, name), at('photos', name))
  // The judge: encoders that a `train clip` run has trained, here for a few steps.
  await writeTinyDrawings(dataDir)
  const judge = { ...tinyClip, steps: 2, judge: { ...tinyClip.judge, everySteps: 9 } }
  await allOf(trainClip(judge, { dataDir, folder: join(dataDir, 'training', 'evaluator'), threads: 1 }))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function athanor(...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const command = [join(root, 'scripts', 'launch.mjs'), ...args]
    execFile(
      process.execPath,
      command,
      { cwd: folder, env: { ...process.env, ATHANOR_DATA_DIR: dataDir }, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`athanor ${args.join(' ')}: ${stderr}${stdout}`, { cause: error }))
        else resolve(stdout)
      },
    )
  })
}

test(
  'the guide’s way from photos to the best version of a LoRA, with these commands alone',
  async () => {
    // Pictures are found and judged; what hurts is left out, and nothing is deleted.
    await athanor('dataset', 'prepare', 'photos', '--out', 'train', '--repeats', '2', '--name', 'zkz')
    const names = readdirSync(at('train', '2_zkz'))
    expect(names.length).toBeGreaterThanOrEqual(5)
    await athanor('dataset', 'report', 'train', '--resolution', '64', '--json', 'report.json', '--html', 'report.html')
    const report = JSON.parse(readFileSync(at('report.json'), 'utf8')) as {
      pictures: { name: string; verdicts: unknown[] }[]
    }
    expect(report.pictures.map(({ name }) => name).sort()).toEqual(names.map((name) => `2_zkz/${name}`).sort())
    expect(readFileSync(at('report.html'), 'utf8')).toContain('data:image/jpeg;base64,')
    await athanor('dataset', 'exclude', 'train', `2_zkz/${names.at(-1)}`, '--reason', 'odd light')

    // They are cut to size, around what matters.
    await athanor('dataset', 'crop', 'train', '--size', '64x64', '--out', 'cut')
    const cut = readdirSync(at('cut', '2_zkz')).filter((name) => name.endsWith('.png'))
    expect(cut).toHaveLength(names.length - 1)
    for (const name of cut) expect(await pictureSize(at('cut', '2_zkz', name))).toEqual({ width: 64, height: 64 })

    // They are tagged by the local judge, as there is no tagger, and the tags are edited.
    await athanor('dataset', 'tag', 'cut', '--threshold', '0.05')
    const captionOf = (name: string) => readFileSync(at('cut', '2_zkz', name.replace('.png', '.txt')), 'utf8').trim()
    expect(captionOf(cut[0]!)).not.toBe('')
    await athanor('dataset', 'tags', 'prune', 'cut', '--trigger', 'zkz', '--save')
    for (const name of cut) expect(captionOf(name)).toMatch(/^zkz\b/)

    // A LoRA is trained; previews show how far it has come, and every epoch is saved under its number.
    writeFileSync(at('prompts.txt'), 'zkz, circle --w 64 --h 64 --s 2 --d 7 --ss euler\n')
    writeFileSync(
      at('aki.toml'),
      [
        'pretrained_model_name_or_path = "tiny-sd1"',
        'train_data_dir = "cut"',
        'resolution = "64,64"',
        'train_batch_size = 2',
        'max_train_epochs = 3',
        'save_every_n_epochs = 1',
        'cache_latents = true',
        'unet_lr = "1e-2"',
        'text_encoder_lr = "1e-3"',
        'network_dim = 4',
        'network_alpha = 4',
        'shuffle_caption = true',
        'keep_tokens = 1',
        'seed = 1337',
        'sample_prompts = "prompts.txt"',
        'sample_every_n_epochs = 2',
        'optimizer_type = "AdamW8bit"',
        'lr_scheduler = "cosine_with_restarts"',
        'mixed_precision = "fp16"',
        'xformers = true',
      ].join('\n'),
    )
    const check = await athanor('train', 'lora', '--config', 'aki.toml', '--check')
    expect(check).toContain('Base: tiny-sd1, Stable Diffusion 1')
    await athanor('train', 'lora', '--config', 'aki.toml', '--threads', '1')
    const loras = join(dataDir, 'models', 'Lora')
    const saved = readdirSync(loras).filter((name) => name.endsWith('.safetensors'))
    expect(saved.sort()).toEqual(['aki-000001.safetensors', 'aki-000002.safetensors', 'aki.safetensors'])
    expect(readdirSync(join(loras, 'sample'))).toHaveLength(1)
    const [log] = readdirSync(join(dataDir, 'logs'))
    expect(readdirSync(join(dataDir, 'logs', log!, 'network_train')).some((name) => name.includes('tfevents'))).toBe(
      true,
    )

    // Versions × strengths, as the guide has them in an X/Y/Z plot, with what is measured and a verdict.
    const prompt = 'zkz, circle <lora:aki-NUM:STRENGTH>'
    const settings = ['--size', '64', '--steps', '2', '--threads', '1', '--sampler', 'Euler']
    await athanor(
      ...['compare', prompt, '--versions', 'NUM,000001,000002', '--strengths', 'STRENGTH,0.5-1 (+0.5)'],
      ...['--seeds', '2', '--dataset', 'cut', '--out', 'compared', '--pictures', ...settings],
    )
    const compared = JSON.parse(readFileSync(at('compared', 'report.json'), 'utf8')) as ComparisonReport
    expect(compared.cells.map((row) => row.map(({ version, strength }) => [version, strength]))).toEqual([
      [
        ['000001', 0.5],
        ['000001', 1],
      ],
      [
        ['000002', 0.5],
        ['000002', 1],
      ],
    ])
    expect(compared.captions).toEqual(['zkz, circle'])
    expect(compared.trainingPictures).toBe(cut.length)
    for (const { clipScore, trainingSimilarity, baseSimilarity, nearCopies } of compared.cells.flat()) {
      for (const measured of [clipScore, trainingSimilarity, baseSimilarity, nearCopies?.share]) {
        expect(measured!.low).toBeLessThanOrEqual(measured!.value)
        expect(measured!.high).toBeGreaterThanOrEqual(measured!.value)
      }
    }
    expect(compared.base.baseSimilarity!.value).toBeCloseTo(1, 5)
    expect(compared.verdict.reasons.length).toBeGreaterThan(1)
    const grid = await decodePicture(readFileSync(at('compared', 'grid.png')))
    expect(grid.width).toBeGreaterThan(2 * 64)
    expect(readFileSync(at('compared', 'report.html'), 'utf8')).toContain(compared.verdict.reasons[0]!.slice(0, 20))

    // A cell is the picture that its own prompt gives by itself.
    const alone = 'zkz, circle <lora:aki-000002:0.5>'
    const made = await athanor('generate', alone, ...settings, '--seed', '2', '--out', 'alone')
    const single = await decodePicture(readFileSync(made.trim()))
    expect((await decodePicture(readFileSync(at('compared', 'pictures', '000002-0.5-2.png')))).data).toEqual(
      single.data,
    )
    expect((await readInfotext(readFileSync(made.trim()))).infotext).toContain(alone)
    expect(existsSync(at('compared', 'pictures', 'base-1.png'))).toBe(true)
  },
  patienceMs,
)
