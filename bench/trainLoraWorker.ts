/** The measured process of training a LoRA: one step of rank 16 on a checkpoint a question. */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { alphasCumprod } from '../src/diffusion/betas.ts'
import { openWeights } from '../src/files/openWeights.ts'
import { readWeight } from '../src/files/readWeight.ts'
import { detectModel } from '../src/models/detect.ts'
import { normalStream } from '../src/tensor/random.ts'
import { readArguments } from '../src/train/lora/arguments.ts'
import { Learner, learntNames } from '../src/train/lora/learner.ts'
import { targetLayers } from '../src/train/lora/modules.ts'
import { initialNetwork, networkModules } from '../src/train/lora/network.ts'
import { StepSessions } from '../src/train/lora/sessions.ts'
import { loraSettings } from '../src/train/lora/settings.ts'

const [threads, checkpoint] = [Number(process.argv[2]), process.argv[3]!]
const given = { network_dim: 16, gradient_checkpointing: process.argv[4] === 'recomputes' }
const { values: args } = readArguments(new Map(Object.entries(given)), new Map())
const settings = loraSettings(args)
const { config, weights } = detectModel(openWeights(checkpoint))
const modules = networkModules(targetLayers(weights), settings.network)
const network = initialNetwork(modules, 1, (path) => readWeight(weights.get(`${path}.weight`)!))
const alphas = alphasCumprod(config.betas)
const model = { config, weights, alphasCumprod: alphas, weightingAlphas: alphas, prediction: 'epsilon' } as const
const sessions = new StepSessions({ threads })
const learner = new Learner({ model, settings, modules, network, isMasked: false, sessions })
const names = learntNames(modules, settings, config)
const parameters = names.map((name) => network.get(name)!)
const optimizer = settings.optimizer.make(parameters)
const normal = normalStream('nv', 1)

for await (const line of createInterface({ input: process.stdin })) {
  const { op, size = 0 } = JSON.parse(line) as { op: string; size?: number }
  if (op === 'memory') {
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
    answer({ peakBytes: 1024 * peak })
  } else {
    const began = performance.now()
    await step(size)
    answer({ seconds: (performance.now() - began) / 1000 })
  }
}
process.exit()

async function step(side: number): Promise<void> {
  const shape = [1, 4, side, side]
  const noise = normal(shape)
  const feeds = await learner.feeds({
    latents: normal(shape),
    noise: { noise, mixed: noise },
    timesteps: [500],
    tokens: [Array.from({ length: 77 }, (_, i) => i)],
    lossWeights: [1],
  })
  const results = await learner.run({ ...feeds, ...Object.fromEntries(network) })
  const gradients = names.map((name) => results[`d ${name}`]!.data)
  optimizer.step(gradients, new Array(gradients.length).fill(1e-4))
}

function answer(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
