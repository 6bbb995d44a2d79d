import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { entry, file } from '../../test/lora/networkFile.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { readSidecars } from '../files/sidecars.ts'
import type { WeightEntry } from '../files/weights.ts'
import type { Graph } from '../graph/value.ts'
import { type DetectedModel, detectModel } from '../models/detect.ts'
import { type GraphOptions, textGraph, unetGraph } from '../models/graphs.ts'
import { float32Emit } from '../nn/emit.ts'
import { compile } from '../runtime/compile.ts'
import type { Feed, Session } from '../runtime/session.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { attachBranches, type BranchSite, branchFeeds, branchSites, type Reach, reachOf } from './attach.ts'
import { fitNetwork } from './fit.ts'
import { mergeNetworks } from './merge.ts'
import { openNetwork } from './network.ts'
import { type NetworkPlan, type NetworkUse, planNetworks } from './plan.ts'

const golden = (name: string) => openWeights(new URL(`../../test/golden/${name}.safetensors`, import.meta.url).pathname)
const recorded = golden('tensors/lora__w1')
const numbers = (name: string): Tensor => readWeight(recorded.entries.get(name)!)

let model: DetectedModel
let lora: NetworkUse
let locon: NetworkUse
let unetFeeds: Record<string, Feed>

beforeAll(() => {
  model = detectModel(golden('models/tiny-sd1'))
  const use = (name: string): NetworkUse => ({
    network: fitNetwork(openNetwork(golden(`models/lora/${name}`)), model.weights),
    text: 1,
    unet: 1,
  })
  lora = use('tinylora')
  locon = use('tinylocon')
  unetFeeds = { latent: numbers('unet.000.x'), timesteps: numbers('unet.000.t'), context: numbers('unet.000.context') }
})

type Padding = 'zeros' | 'circular'

const compileOptions = { residence: 'mapped', threads: 1, cacheDir: '' } as const

const sessions = new Map<string, Promise<{ session: Session; sites: readonly BranchSite[] }>>()

/** The UNet's answer with branches beside its layers. One session serves every network of its reach. */
async function adapted(
  plan: NetworkPlan,
  { reach = reachOf(plan), padding = 'zeros' }: { reach?: Reach; padding?: Padding } = {},
) {
  const key = `${reach} ${padding}`
  const open = async () => {
    const graph = unetGraph(model.config, { ...optionsOf(padding), adapter: attachBranches(reach) })
    return { session: await compile(graph, compileOptions), sites: branchSites(graph) }
  }
  sessions.set(key, sessions.get(key) ?? open())
  const { session, sites } = await sessions.get(key)!
  return (await session.run({ ...unetFeeds, ...branchFeeds(plan, sites, 2) })).prediction!
}

afterAll(async () => {
  for (const { session } of await Promise.all(sessions.values())) await session.dispose()
})

/** The UNet's answer with everything in its weights. */
async function merged({ branches }: NetworkPlan, padding: Padding = 'zeros') {
  const merges = new Map(
    [...branches].map(([path, chain]) => [
      path,
      chain.map(({ adapter, strength }) => ({ adapter, strength: strength as number })),
    ]),
  )
  const replaced = await mergeNetworks(model.weights, { merges, branches: new Map() }, (graph) =>
    compile(graph, compileOptions),
  )
  return runOnce(unetGraph(model.config, optionsOf(padding, replaced)), unetFeeds)
}

function optionsOf(padding: Padding, replaced: ReadonlyMap<string, WeightEntry> = new Map()): GraphOptions {
  const emit = { attention: 'fused', activation: 'fused', weights: 'stored', padding } as const
  return { weights: new Map([...model.weights, ...replaced]), emit }
}

describe('a LoRA beside the layers', () => {
  test('gives the UNet of the reference', async () => {
    const plan = planNetworks([lora])
    expect(reachOf(plan)).toBe('transformers')
    expect(relativeError(await adapted(plan), numbers('unet.000.out'))).toBeLessThan(1e-4)
  })

  test('gives the text encoder of the reference', async () => {
    const plan = planNetworks([lora])
    const graph = textGraph(
      model.config,
      { ...optionsOf('zeros'), adapter: attachBranches('transformers') },
      { skip: 0 },
    )
    const tokens = numbers('te.000.tokens')
    const [batch, length] = tokens.shape as [number, number]
    const hidden = await runOnce(graph, {
      tokens: { shape: tokens.shape, data: BigInt64Array.from(tokens.data, BigInt) },
      injected: { shape: [batch, length, 96], data: new Float32Array(batch * length * 96) },
      isInjected: { shape: [batch, length, 1], data: new Float32Array(batch * length) },
      ...branchFeeds(plan, branchSites(graph), batch),
    })
    expect(relativeError(hidden, numbers('te.000.z'))).toBeLessThan(1e-4)
  })

  test('equals the same LoRA merged into the weights', async () => {
    const plan = planNetworks([{ ...lora, unet: 0.7 }])
    expect(relativeError(await adapted(plan), await merged(plan))).toBeLessThan(1e-5)
  })

  test('and a LoCon with 3×3 convolutions equal both merged', async () => {
    const plan = planNetworks([
      { ...lora, unet: -0.4 },
      { ...locon, unet: 0.8 },
    ])
    expect(reachOf(plan)).toBe('all')
    expect(relativeError(await adapted(plan), await merged(plan))).toBeLessThan(1e-5)
  })

  test('equals the merged one in a picture that tiles', async () => {
    const plan = planNetworks([{ ...locon, unet: 0.8 }])
    const merges = await merged(plan, 'circular')
    expect(relativeError(await adapted(plan, { padding: 'circular' }), merges)).toBeLessThan(1e-5)
  })

  test('of strength 0 on some rows of a batch leaves those rows alone', async () => {
    const [none, whole] = [
      await adapted({ merges: new Map(), branches: new Map() }),
      await adapted(planNetworks([lora])),
    ]
    const mixed = await adapted(planNetworks([{ ...lora, unet: [0, 1] }]))
    const half = none.data.length / 2
    const row = (x: Tensor, index: number) => tensor(x.data.subarray(index * half, (index + 1) * half))
    expect(relativeError(row(mixed, 0), row(none, 0))).toBeLessThan(1e-6)
    expect(relativeError(row(mixed, 1), row(whole, 1))).toBeLessThan(1e-6)
    expect(relativeError(row(none, 1), row(whole, 1))).toBeGreaterThan(1e-2)
  })

  test('without any network an adapted graph is the plain model', async () => {
    const plain = await runOnce(unetGraph(model.config, optionsOf('zeros')), unetFeeds)
    const idle = await adapted({ merges: new Map(), branches: new Map() }, { reach: 'all' })
    expect(relativeError(idle, plain)).toBe(0)
  })
})

test('A LoRA fits the layers of SD 2, which are linear where those of SD 1 are convolutions', async () => {
  const path = new URL('../../test/golden/models/tiny-sd2v.safetensors', import.meta.url).pathname
  const { config, weights } = detectModel(openWeights(path), readSidecars(path))
  const wave = (i: number) => Math.sin(i)
  const layer = (name: string, width: number, points: readonly number[] = []) => [
    entry(`${name}.lora_down.weight`, [2, width, ...points], wave),
    entry(`${name}.lora_up.weight`, [width, 2, ...points], wave),
  ]
  const network = fitNetwork(
    openNetwork(
      file([
        ...layer('lora_unet_down_blocks_0_attentions_0_proj_in', 32, [1, 1]),
        ...layer('lora_te_text_model_encoder_layers_0_self_attn_v_proj', 64),
        ...layer('lora_te_text_model_encoder_layers_0_mlp_fc1', 64).slice(0, 1),
        entry('lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight', [256, 2], wave),
      ]),
    ),
    weights,
  )
  const plan = planNetworks([{ network, text: 0.5, unet: 0.5 }])
  const merges = new Map([...plan.branches].map(([at, chain]) => [at, chain.map((b) => ({ ...b, strength: 0.5 }))]))
  const replaced = await mergeNetworks(weights, { merges, branches: new Map() }, (graph) =>
    compile(graph, compileOptions),
  )
  const options = { emit: float32Emit, adapter: attachBranches('transformers') }
  const all = new Map([...weights, ...replaced])

  const hidden = async (graph: Graph) => {
    const tokens = { shape: [1, 77], data: BigInt64Array.from({ length: 77 }, (_, i) => BigInt(i * 600)) }
    const injected = { shape: [1, 77, 64], data: new Float32Array(77 * 64) }
    const isInjected = { shape: [1, 77, 1], data: new Float32Array(77) }
    return runOnce(graph, { tokens, injected, isInjected, ...branchFeeds(plan, branchSites(graph), 1) })
  }
  const beside = await hidden(textGraph(config, { weights, ...options }, { skip: 1 }))
  const within = await hidden(textGraph(config, { weights: all }, { skip: 1 }))
  expect(relativeError(beside, within)).toBeLessThan(1e-5)
  expect(relativeError(beside, await hidden(textGraph(config, { weights }, { skip: 1 })))).toBeGreaterThan(1e-3)

  const predicted = async (graph: Graph) => {
    const latent = { shape: [1, 4, 8, 8], data: Float32Array.from({ length: 256 }, (_, i) => wave(i)) }
    const context = within
    const timesteps = { shape: [1], data: Float32Array.of(500) }
    return runOnce(graph, { latent, context, timesteps, ...branchFeeds(plan, branchSites(graph), 1) })
  }
  const unetBeside = await predicted(unetGraph(config, { weights, ...options }))
  expect(relativeError(unetBeside, await predicted(unetGraph(config, { weights: all })))).toBeLessThan(1e-5)
})
