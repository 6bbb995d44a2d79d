import { type ChildProcess, execFile, spawn } from 'node:child_process'
import {
  cpSync,
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
import { decodePicture } from '../src/image/decode.ts'
import { readInfotext } from '../src/image/readInfotext.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const golden = join(root, 'test', 'golden')
const folder = mkdtempSync(join(tmpdir(), 'athanor-cli-'))
const dataDir = join(folder, 'data')

beforeAll(() => {
  const models = join(dataDir, 'models')
  mkdirSync(join(models, 'Stable-diffusion'), { recursive: true })
  mkdirSync(join(models, 'Lora'))
  for (const name of ['tiny-sd1.safetensors', 'tiny-sd1.yaml']) {
    cpSync(join(golden, 'models', name), join(models, 'Stable-diffusion', name))
  }
  symlinkSync(join(golden, 'models', 'lora', 'tinylora.safetensors'), join(models, 'Lora', 'tinylora.safetensors'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function athanor(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, 'scripts', 'launch.mjs'), ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}

const small = ['--size', '64', '--steps', '3', '--threads', '1']
const studio = ['--data-dir', dataDir]

async function pixels(path: string): Promise<Uint8Array> {
  return (await decodePicture(readFileSync(path))).data
}

test('a prompt becomes a numbered PNG that says how it was made, and again the same pixels', async () => {
  const out = join(folder, 'first')
  const made = await athanor('generate', 'a red apple', ...small, ...studio, '--seed', '7', '--out', out)
  expect(made).toMatchObject({ code: 0, stdout: `${join(out, '00000-7.png')}\n` })
  const path = made.stdout.trim()
  const { infotext } = await readInfotext(readFileSync(path))
  expect(infotext).toMatch(
    /^a red apple\nSteps: 3, Sampler: DPM\+\+ 2M, Schedule type: Karras, CFG scale: 7\.0, Seed: 7,/,
  )

  const again = await athanor('generate', '--from', path, '--threads', '1', ...studio, '--out', out)
  expect(again.stdout).toBe(`${join(out, '00001-7.png')}\n`)
  expect(await pixels(again.stdout.trim())).toEqual(await pixels(path))

  const verdict = await athanor('verify', path, '--json', '--threads', '1', ...studio)
  expect(JSON.parse(verdict.stdout)).toMatchObject({ verdict: 'equal', largest: 0 })
})

test('a recorded request gives its recorded picture', async () => {
  const name = 'sampler__euler-automatic-cpu'
  const request = join(golden, 'requests', `${name}.json`)
  const made = await athanor('generate', '--request', request, '--json', ...studio, '--out', join(folder, 'request'))
  const [image] = JSON.parse(made.stdout).images
  const recorded = readFileSync(join(golden, 'images', `${name}.0.png`))
  expect(image.infotext).toBe((await readInfotext(recorded)).infotext)
  const [ours, theirs] = [await pixels(image.path), (await decodePicture(recorded)).data]
  expect(Math.max(...ours.map((value, i) => Math.abs(value - theirs[i]!)))).toBeLessThanOrEqual(2)
})

test('a picture to start from, a mask and other formats', async () => {
  const [init, mask] = ['init128.png', 'mask128.png'].map((name) => join(golden, 'inputs', name))
  const made = await athanor(
    ...['generate', 'a blue door', ...small, ...studio, '--init', init!, '--mask', mask!, '--denoise', '0.6'],
    ...['--format', 'webp', '--out', join(folder, 'init')],
  )
  expect(made.code).toBe(0)
  const path = made.stdout.trim()
  const { infotext } = await readInfotext(readFileSync(path))
  expect(infotext).toContain('Denoising strength: 0.6')
  expect(path).toMatch(/\.webp$/)

  const alone = await athanor('verify', path, ...studio)
  expect(alone).toMatchObject({ code: 2, stderr: expect.stringContaining('--init says which') })
  // WebP has lost something of what was made.
  const given = ['--init', init!, '--mask', mask!]
  const { stdout } = await athanor('verify', path, '--json', '--threads', '1', ...studio, ...given)
  const { sameSize, psnr } = JSON.parse(stdout)
  expect(sameSize).toBe(true)
  expect(psnr).toBeGreaterThan(25)
})

test('several pictures come with a grid, unless that is not wanted', async () => {
  const make = (out: string, ...more: string[]) =>
    athanor(
      'generate',
      'a cat',
      ...small,
      ...studio,
      '--seed',
      '3',
      '--batch',
      '2',
      '--out',
      join(folder, out),
      ...more,
    )
  const { images, grid } = JSON.parse((await make('grid', '--json')).stdout)
  const [first, second] = images.map(({ path }: { path: string }) => path)
  const out = join(folder, 'grid')
  expect([first, second, grid]).toEqual(['00000-3.png', '00001-4.png', 'grid-0000.png'].map((name) => join(out, name)))
  expect((await make('no-grid', '--no-grid')).stdout).not.toContain('grid-0000')
})

test.each([
  [['--sampler', 'Eulre'], 'Eulre'],
  [['--model', 'no-such-model'], 'no-such-model'],
  [['--steps', '100000'], 'steps'],
  [['--size', '1000000x8'], 'width'],
  [['--option', 'no_such_option=1'], 'no_such_option'],
] as const)('%s is refused with words that name it, and nothing is saved', async (flags, named) => {
  const out = join(folder, 'refused')
  const { code, stderr } = await athanor('generate', 'x', ...small, ...studio, '--out', out, ...flags)
  expect(code).toBeGreaterThan(0)
  expect(stderr).toContain(named)
  expect(stderr).not.toContain('    at ')
  expect(() => readdirSync(out)).toThrow()
})

test('an unknown LoRA is refused, or left out as A1111 does when asked to be lenient', async () => {
  const prompt = 'a cat <lora:nobody:1>'
  const strict = await athanor('generate', prompt, ...small, ...studio, '--out', join(folder, 'lora'))
  expect(strict.stderr).toContain('nobody')
  expect(strict.code).toBe(2)
  const lenient = await athanor('generate', prompt, '--lenient', ...small, ...studio, '--out', join(folder, 'lora'))
  expect(lenient.code).toBe(0)
})

test('inspect tells files apart, in words and as JSON', async () => {
  const models = join(dataDir, 'models')
  const checkpoint = await athanor('inspect', join(models, 'Stable-diffusion', 'tiny-sd1.safetensors'), '--json')
  expect(JSON.parse(checkpoint.stdout)).toMatchObject({
    kind: 'checkpoint',
    checkpoint: { kind: 'sd1', prediction: 'epsilon' },
    hashes: { 'model hash': 'd3d69a5716' },
  })
  const lora = await athanor('inspect', join(models, 'Lora', 'tinylora.safetensors'))
  expect(lora.stdout).toContain('LoRA hash       26e2bbb226ab')
  const embedding = await athanor('inspect', join(golden, 'models', 'embeddings', 'tinyemb.pt'), '--json')
  expect(JSON.parse(embedding.stdout)).toMatchObject({ kind: 'embedding', embedding: { vectors: 2, width: 96 } })
  const picture = await athanor('inspect', join(golden, 'images', 'prompt__plain.0.png'))
  expect(picture.stdout).toContain('Negative prompt: blurry')

  const junk = join(folder, 'junk.safetensors')
  writeFileSync(junk, 'not a model at all')
  const refused = await athanor('inspect', junk)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('junk.safetensors')
})

/** Waits for the first picture of a running job, or for its end. */
async function firstPicture(child: ChildProcess, out: string): Promise<void> {
  while (child.exitCode === null && !(existsSync(out) && readdirSync(out).length > 0)) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('Ctrl-C stops between steps and leaves no file behind', async () => {
  const out = join(folder, 'stopped')
  const child = spawn(process.execPath, [
    ...[join(root, 'scripts', 'launch.mjs'), 'generate', 'a cat', ...studio, '--size', '64', '--steps', '10'],
    ...['--threads', '1', '--count', '20', '--out', out],
  ])
  await firstPicture(child, out)
  child.kill('SIGINT')
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  expect(code).toBe(130)
  expect(readdirSync(out).length).toBeLessThan(20)
  for (const name of readdirSync(out)) {
    expect(name).toMatch(/^\d{5}-\d+\.png$/)
    expect((await decodePicture(readFileSync(join(out, name)))).width).toBe(64)
  }
})
