/** The measured process of training: one optimizer step of the embedded model's noise predictor a question. */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sd1, type UnetConfig } from '../src/models/configs.ts'
import { sizeOf } from '../src/tensor/shape.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import { newTraining } from '../src/train/checkpoint.ts'
import { optimizerOf } from '../src/train/optimizers/kinds.ts'
import { optimizerOptions, readRunConfig } from '../src/train/runConfig.ts'
import { sessionsFor } from '../src/train/sessionsFor.ts'
import { train } from '../src/train/trainer.ts'
import { unetRunSchema } from '../src/train/unetConfig.ts'
import { initialUnet, unetTrainingGraph } from '../src/train/unetTask.ts'

const threads = Number(process.argv[2])
const run = readRunConfig(fileURLToPath(new URL('../training/unet.toml', import.meta.url)), unetRunSchema)
const { headChannels, ...model } = run.model
const contextWidth = 256
const config: UnetConfig = { ...sd1.unet, ...model, heads: { channels: headChannels }, contextWidth }
const [side, tokens] = [16, 77]

const graph = unetTrainingGraph(config, { batch: run.batch, side, tokens })
const task = {
  sessions: await sessionsFor(graph, run.accumulation, threads),
  samples: run.batch,
  batch: () => ({
    latent: random([run.batch, config.inChannels, side, side]),
    target: random([run.batch, config.outChannels, side, side]),
    context: random([run.batch, tokens, contextWidth]),
    timesteps: { shape: [run.batch], data: Float32Array.from({ length: run.batch }, () => 1000 * Math.random()) },
    weights: { shape: [run.batch], data: new Float32Array(run.batch).fill(1) },
  }),
}
const state = newTraining(initialUnet(config, 1), (parameters) => optimizerOf(run.optimizer, parameters))
const steps = train(task, state, 1e9, optimizerOptions(run.optimizer, run.steps, run.accumulation))

for await (const line of createInterface({ input: process.stdin })) {
  const { op } = JSON.parse(line) as { op: string }
  if (op === 'memory') {
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
    answer({ peakBytes: 1024 * peak })
  } else {
    const began = performance.now()
    await steps.next()
    answer({ seconds: (performance.now() - began) / 1000 })
  }
}
process.exit()

function answer(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

function random(shape: readonly number[]): Tensor {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => (Math.random() - 0.5) * Math.sqrt(12)) }
}
