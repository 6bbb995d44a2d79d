/** The measured process: answers one question a line, with seconds and bytes. `main.ts` starts it. */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { openWeights } from '../src/files/openWeights.ts'
import { simplify } from '../src/graph/simplify.ts'
import type { Graph } from '../src/graph/value.ts'
import { attachBranches, branchFeeds, branchSites, type Reach } from '../src/lora/attach.ts'
import { fitNetwork } from '../src/lora/fit.ts'
import { openNetwork } from '../src/lora/network.ts'
import { planNetworks } from '../src/lora/plan.ts'
import { detectModel } from '../src/models/detect.ts'
import { decoderGraph, textGraph, unetGraph } from '../src/models/graphs.ts'
import { generate } from '../src/pipeline/generate.ts'
import type { ReadySession } from '../src/pipeline/sessionPool.ts'
import { openStudio } from '../src/pipeline/studio.ts'
import { inTiles } from '../src/pipeline/tiles.ts'
import { recipeFromRequest } from '../src/pipeline/wire/recipeFromRequest.ts'
import { compile } from '../src/runtime/compile.ts'
import type { Feed, Residence, Session } from '../src/runtime/session.ts'
import { WeightStore } from '../src/runtime/weightStore.ts'
import { sizeOf } from '../src/tensor/shape.ts'
import type { Tensor } from '../src/tensor/tensor.ts'

interface Setup {
  readonly checkpoint: string
  readonly threads: number
}

const [checkpoint, threads] = process.argv.slice(2)
const setup: Setup = { checkpoint: checkpoint!, threads: Number(threads) }
const model = detectModel(openWeights(setup.checkpoint))
const store = new WeightStore()
const sessions = new Map<string, Session>()

const answers: Readonly<Record<string, (question: never) => Promise<object>>> = {
  /** Seconds of one UNet evaluation; the first of a size is not for counting. */
  async unet({ size, batch, residence }: { size: number; batch: number; residence: Residence }) {
    const session = await sessionOf(`unet ${residence}`, residence, ({ config, weights }) =>
      unetGraph(config, { weights }),
    )
    const feeds = unetFeeds(size, batch)
    return seconds(() => session.run(feeds))
  },
  async decode({ size }: { size: number }) {
    const session = await decoder()
    const latent = random([1, 4, size, size])
    return seconds(() => session.run({ latent }))
  },
  async decodeTiled({ size, tile, overlap }: { size: number; tile: number; overlap: number }) {
    const session = await decoder()
    const run = async (latent: Tensor) => (await session.run({ latent })).picture!
    const latents = random([1, 4, size, size])
    return seconds(() => inTiles(latents, { size: tile, overlap, scale: 8 }, run))
  },
  async text() {
    const session = await sessionOf('text', 'mapped', ({ config, weights }) =>
      textGraph(config, { weights }, { skip: 0 }),
    )
    const { tokens, width } = model.config.text
    const feeds = {
      tokens: { shape: [1, tokens], data: BigInt64Array.from({ length: tokens }, (_, i) => BigInt(i)) },
      injected: { shape: [1, tokens, width], data: new Float32Array(tokens * width) },
      isInjected: { shape: [1, tokens, 1], data: new Float32Array(tokens) },
    }
    return seconds(() => session.run(feeds))
  },
  /** One evaluation with a LoRA beside the layers. */
  async lora({ size, path, reach }: { size: number; path: string; reach: Reach }) {
    const { weights, config } = model
    const adapter = attachBranches(reach)
    const graph = unetGraph(config, { weights, adapter })
    const session = await sessionOf('unet lora', 'packed', () => graph)
    const plan = planNetworks([{ network: fitNetwork(openNetwork(openWeights(path)), weights), text: 1, unet: 1 }])
    const feeds = { ...unetFeeds(size, 2), ...branchFeeds(plan, branchSites(graph), 2) }
    return seconds(() => session.run(feeds))
  },
  /** Milliseconds until a UNet may run with another LoRA: one read before, and one whose file is new. */
  async loraSwitch({ dataDir, paths }: { dataDir: string; paths: readonly string[] }) {
    const studio = openStudio(dataDir, { threads: setup.threads })
    const recipe = await recipeFromRequest(request('a cat'), 'txt2img', studio)
    const asked = (path: string) => [{ path, text: 1, unet: 1 }]
    const opened = studio.model(recipe)
    const switchTo = async (path: string) => {
      const began = performance.now()
      const adapted = await studio.shelf.adapt(opened, asked(path))
      const graph = () =>
        unetGraph(opened.config, { weights: adapted.weights, adapter: adapted.branches('unet')!.adapter })
      const session = await studio.pool.get('unet', `${adapted.key}|unet`, 'mapped', graph)
      adapted.feeds(session, 2, 0)
      return performance.now() - began
    }
    const [first, second] = paths
    await switchTo(first!)
    const fresh = await switchTo(second!)
    const known: number[] = []
    for (let i = 0; i < 6; i++) known.push(await switchTo(paths[i % 2]!))
    await studio.close()
    return { fresh, known: known.slice(1) }
  },
  /** A whole generation: its seconds, and those of them spent inside the runtime. */
  async generation({ dataDir, size, steps }: { dataDir: string; size: number; steps: number }) {
    const studio = openStudio(dataDir, { threads: setup.threads })
    let inside = 0
    const get = studio.pool.get.bind(studio.pool)
    studio.pool.get = async (...args) => {
      const session = await get(...args)
      const run: ReadySession['run'] = async (feeds) => {
        const began = performance.now()
        const results = await session.run(feeds)
        inside += (performance.now() - began) / 1000
        return results
      }
      return { ...session, run }
    }
    const once = async () => {
      inside = 0
      const began = performance.now()
      const recipe = await recipeFromRequest(
        { ...request('a red apple'), width: size, height: size, steps },
        'txt2img',
        studio,
      )
      for await (const _ of generate(studio, recipe));
      return { seconds: (performance.now() - began) / 1000, inside }
    }
    // The first has files to hash and weights to pack.
    await once()
    const answer = await once()
    await studio.close()
    return answer
  },
  async memory() {
    const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(procStatus())?.[1]) * 1024
    return { peakBytes: field('VmHWM'), residentBytes: field('VmRSS') }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...question } = JSON.parse(line) as { op: string }
  const answer = await answers[op]!(question as never)
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

function decoder(): Promise<Session> {
  return sessionOf('decoder', 'mapped', ({ config, weights }) => decoderGraph(config, { weights }))
}

async function sessionOf(key: string, residence: Residence, build: (from: typeof model) => Graph): Promise<Session> {
  const known = sessions.get(key)
  if (known) return known
  const session = await compile(simplify(build(model)), { residence, threads: setup.threads, store })
  sessions.set(key, session)
  return session
}

async function seconds(work: () => Promise<unknown>): Promise<{ seconds: number }> {
  const began = performance.now()
  await work()
  return { seconds: (performance.now() - began) / 1000 }
}

function unetFeeds(size: number, batch: number): Record<string, Feed> {
  const { inChannels, contextWidth } = model.config.unet
  return {
    latent: random([batch, inChannels, size, size]),
    timesteps: { shape: [batch], data: new Float32Array(batch).fill(500) },
    context: random([batch, 77, contextWidth]),
  }
}

/** Uniform numbers of unit variance. */
function random(shape: readonly number[]): Tensor {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => (Math.random() - 0.5) * Math.sqrt(12)) }
}

function request(prompt: string) {
  const override = { sd_model_checkpoint: basename(setup.checkpoint) }
  return { prompt, seed: 1, sampler_name: 'Euler', override_settings: override }
}

function procStatus(): string {
  return readFileSync(join('/proc', 'self', 'status'), 'utf8')
}
