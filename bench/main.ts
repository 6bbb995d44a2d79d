/**
 * Measures speed and memory on a checkpoint of Stable Diffusion 1.5's size with random weights:
 *
 *   npm run bench -- [--python PYTHON] [--only unet,decode,…] [--json FILE] [--reps 3] [--threads 2] [--folder DIR]
 *
 * `--python` names an interpreter with torch, diffusers and transformers; PyTorch in float32 then runs the same shapes
 * in turn with ours, so that both meet the same neighbours. The folder (two gigabytes, kept between runs) is a data
 * folder with the checkpoint and two LoRAs. Where a measurement is repeated, minimum / median / maximum are shown.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openWeights } from '../src/files/openWeights.ts'
import { detectModel } from '../src/models/detect.ts'
import { type Child, startChild } from './child.ts'
import { allLayers, transformerLayers, writeRandomLora } from './randomLora.ts'
import { statsOf, statsText } from './stats.ts'

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    only: { type: 'string', default: 'text,unet,decode,lora,start,generation,train,trainLora' },
    json: { type: 'string' },
    reps: { type: 'string', default: '3' },
    threads: { type: 'string', default: `${availableParallelism()}` },
    folder: { type: 'string', default: join(tmpdir(), 'athanor-bench') },
  },
})
const { python, threads } = options
const reps = Number(options.reps)
const root = fileURLToPath(new URL('..', import.meta.url))
const dataDir = options.folder
const checkpoint = join(dataDir, 'models', 'Stable-diffusion', 'sd15-random.safetensors')
const loras = ['a', 'b'].map((name) => join(dataDir, 'models', 'Lora', `rank16-${name}.safetensors`))
const locon = join(dataDir, 'models', 'Lora', 'locon16.safetensors')
const report: Record<string, unknown> = {}

interface Seconds {
  readonly seconds: number
}
interface Memory {
  readonly peakBytes: number
}

if (options.only !== 'train') prepare()
console.log(`${cpus()[0]?.model.trim()}, ${threads} threads, Node ${process.version}`)
const sections: Readonly<Record<string, () => Promise<void>>> = {
  text,
  unet,
  decode,
  lora,
  start,
  generation,
  train,
  trainLora,
}
for (const name of options.only.split(',')) {
  const section = sections[name]
  if (!section) throw new Error(`no section ${name}; there are ${Object.keys(sections).join(', ')}`)
  await section()
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)

/** One UNet evaluation of a guided step, at 512×512 and 256×256 pixels. */
async function unet(): Promise<void> {
  for (const residence of ['packed', 'mapped']) {
    const ours = worker()
    const theirs = residence === 'packed' ? torch() : undefined
    for (const size of [32, 64]) {
      const name = `UNet, batch 2, ${size}×${size} latent, ${residence} weights`
      await compare(name, ours, theirs, { op: 'unet', size, batch: 2, residence })
    }
    await peak(`UNet, ${residence} weights`, ours, theirs)
  }
}

/** From latents to 512×512 pixels whole, and to 1024×1024 in tiles of 512. */
async function decode(): Promise<void> {
  const whole = worker()
  const theirs = torch()
  await compare('VAE decode, 512×512', whole, theirs, { op: 'decode', size: 64 })
  await peak('VAE decode, 512×512', whole, theirs)
  const tiled = worker()
  note(
    'VAE decode, 1024×1024 in tiles',
    await tiled.ask<Seconds>({ op: 'decodeTiled', size: 128, tile: 64, overlap: 16 }),
  )
  await peak('VAE decode, 1024×1024 in tiles', tiled, undefined)
}

async function text(): Promise<void> {
  const ours = worker()
  const theirs = torch()
  await compare('Text encode, 77 tokens', ours, theirs, { op: 'text' }, 3)
  await peak('Text encode', ours, theirs)
}

/** What a LoRA of rank 16 costs: at every evaluation, and when another one takes its place. */
async function lora(): Promise<void> {
  for (const size of [32, 64]) {
    await overhead('LoRA', size, { path: loras[0], reach: 'transformers' })
    await overhead('LoCon', size, { path: locon, reach: 'all' })
  }
  const ours = worker()
  const { known, fresh } = await ours.ask<{ known: number[]; fresh: number }>({
    op: 'loraSwitch',
    dataDir,
    paths: loras,
  })
  show('LoRA switch', `${statsText(statsOf(known), 0)} ms; ${fresh.toFixed(0)} ms with a file not read before`, {
    known,
    fresh,
  })
  await ours.stop()
}

/** How much longer an evaluation takes with branches beside its layers, each time measured after one without. */
async function overhead(name: string, size: number, network: object): Promise<void> {
  const ours = worker()
  const plain = { op: 'unet', size, batch: 2, residence: 'packed' }
  const adapted = { op: 'lora', size, ...network }
  await ours.ask(plain)
  await ours.ask(adapted)
  const shares: number[] = []
  for (let i = 0; i < reps; i++) {
    const without = (await ours.ask<Seconds>(plain)).seconds
    const beside = (await ours.ask<Seconds>(adapted)).seconds
    shares.push(100 * (beside / without - 1))
  }
  const what = `${name} of rank 16, ${size}×${size} latent: more time per evaluation`
  show(what, `${statsText(statsOf(shares), 1)} %`, shares)
  await ours.stop()
}

/** From the start of the program, as a person starts it, to the beginning of the first denoising step. */
async function start(): Promise<void> {
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: root, stdio: 'inherit' })
  const once = () => {
    const args = ['generate', 'a red apple', '--quiet', '--data-dir', dataDir, '--threads', threads, '--steps', '20']
    const began = Date.now()
    const output = execFileSync(process.execPath, [join(root, 'bench', 'firstStep.mjs'), ...args], { encoding: 'utf8' })
    const { at } = JSON.parse(output.trim().split('\n').at(-1)!) as { at: number }
    return (at - began) / 1000
  }
  readWhole(checkpoint)
  once() // hashes the checkpoint, once in its life
  const warm: number[] = []
  for (let i = 0; i < reps; i++) {
    readWhole(checkpoint)
    warm.push(once())
  }
  show('Start to first step, checkpoint in the page cache', `${statsText(statsOf(warm))} s`, warm)
  if (!forgetPages(checkpoint)) return
  const cold = once()
  show('Start to first step, checkpoint on disk', `${cold.toFixed(2)} s`, cold)
}

/** How much of a generation of 20 steps is spent outside the runtime. */
async function generation(): Promise<void> {
  const ours = worker()
  const [size, steps] = [256, 20]
  const { seconds, inside } = await ours.ask<{ seconds: number; inside: number }>({
    op: 'generation',
    dataDir,
    size,
    steps,
  })
  const share = 100 * (1 - inside / seconds)
  show(
    `${steps} steps at ${size}×${size}: outside the runtime`,
    `${share.toFixed(1)} % of ${seconds.toFixed(1)} s`,
    share,
  )
  await peak('Whole generation', ours, undefined)
}

/** One optimizer step of the embedded model's noise predictor, with clipping and averaging. */
async function train(): Promise<void> {
  const batch = 32
  const ours = startChild(process.execPath, ['--import', 'tsx', join(root, 'bench', 'trainWorker.ts'), threads])
  const theirs = torch()
  const name = `Training step of the embedded model's UNet, batch ${batch}`
  await compare(name, ours, theirs, { op: 'train', batch }, 2)
  await peak(name, ours, theirs)
}

/**
 * One step of a LoRA of rank 16 on UNet and text encoder, batch 1, at 256×256 and 512×512 pixels; the larger also with
 * our gradient checkpointing, against the other's ordinary step.
 */
async function trainLora(): Promise<void> {
  for (const [size, ways] of [
    [256, ''],
    [512, ''],
    [512, 'recomputes'],
  ] as const) {
    const script = join(root, 'bench', 'trainLoraWorker.ts')
    const ours = startChild(process.execPath, ['--import', 'tsx', script, threads, checkpoint, ways])
    const theirs = torch()
    const name = `Training step of a LoRA of rank 16 at ${size}×${size}${ways && ', checkpointing'}`
    await compare(name, ours, theirs, { op: 'trainLora', size: size / 8 })
    await peak(name, ours, theirs)
  }
}

/** Asks both in turn, after one round that is not counted, and shows the ratio of every pair. */
async function compare(
  name: string,
  ours: Child,
  theirs: Child | undefined,
  question: object,
  times = 1,
): Promise<void> {
  await ours.ask(question)
  await theirs?.ask(question)
  const mine: number[] = []
  const torchs: number[] = []
  for (let i = 0; i < reps * times; i++) {
    mine.push((await ours.ask<Seconds>(question)).seconds)
    if (theirs) torchs.push((await theirs.ask<Seconds>(question)).seconds)
  }
  show(name, `${statsText(statsOf(mine), 3)} s`, mine)
  if (!theirs) return
  const ratios = mine.map((seconds, i) => seconds / torchs[i]!)
  show(`${name}: PyTorch`, `${statsText(statsOf(torchs), 3)} s`, torchs)
  show(`${name}: ratio`, statsText(statsOf(ratios)), ratios)
}

async function peak(name: string, ours: Child, theirs: Child | undefined): Promise<void> {
  const gigabytes = async (child: Child) => (await child.ask<Memory>({ op: 'memory' })).peakBytes / 1e9
  const mine = await gigabytes(ours)
  const torchs = theirs && (await gigabytes(theirs))
  const beside = torchs === undefined ? '' : `, PyTorch ${torchs.toFixed(2)} GB`
  show(`${name}: peak resident memory`, `${mine.toFixed(2)} GB${beside}`, { mine, torchs })
  await ours.stop()
  await theirs?.stop()
}

function note(name: string, { seconds }: Seconds): void {
  show(name, `${seconds.toFixed(2)} s`, seconds)
}

function show(name: string, text: string, data: unknown): void {
  console.log(`${name.padEnd(72)} ${text}`)
  report[name] = data
}

function worker(): Child {
  const args = ['--import', 'tsx', join(root, 'bench', 'worker.ts'), checkpoint, threads]
  return startChild(process.execPath, args)
}

function torch(): Child | undefined {
  if (python === undefined) return undefined
  return startChild(python, [join(root, 'bench', 'torchWorker.py'), threads])
}

function prepare(): void {
  for (const path of [checkpoint, loras[0]!]) mkdirSync(join(path, '..'), { recursive: true })
  if (!existsSync(checkpoint)) {
    const script = join(root, 'scripts', 'randomCheckpoint.ts')
    execFileSync(process.execPath, ['--import', 'tsx', script, checkpoint], { stdio: 'inherit' })
  }
  const missing = [...loras, locon].filter((path) => !existsSync(path))
  if (missing.length === 0) return
  const { weights } = detectModel(openWeights(checkpoint))
  for (const path of missing) {
    const layers = path === locon ? allLayers : transformerLayers
    writeRandomLora(path, weights, { layers, rank: 16, seed: loras.indexOf(path) + 2 })
  }
}

/** Brings a file into the page cache. */
function readWhole(path: string): void {
  const descriptor = openSync(path, 'r')
  const buffer = Buffer.alloc(2 ** 24)
  while (readSync(descriptor, buffer) > 0);
  closeSync(descriptor)
}

/** Takes a file out of the page cache, where there is a tool to do so. */
function forgetPages(path: string): boolean {
  try {
    execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
