import { gemm } from '../../graph/ops.ts'
import type { Graph } from '../../graph/value.ts'
import { Graph as EmptyGraph } from '../../graph/value.ts'
import { elementCount } from '../../models/elementCount.ts'
import { activationBytes } from '../../runtime/activations.ts'
import { compile } from '../../runtime/compile.ts'
import { fixedFirst } from '../../runtime/hoist.ts'
import { sizeOf } from '../../tensor/shape.ts'
import { inBuckets } from '../batches.ts'
import { hasDropout } from './dropout.ts'
import { loraGraph } from './graph.ts'
import type { PreparedRun } from './prepare.ts'

/** What a person should know before a training begins, in plain words, line by line. */
export async function preflight(run: PreparedRun, threads: number): Promise<readonly string[]> {
  const { base, modules, data, datasets, schedule, args, settings, learnt, network } = run
  const { config } = base
  const kind = { sd1: 'Stable Diffusion 1', sd2: 'Stable Diffusion 2' }[config.kind]
  const predicts = run.model.prediction === 'v' ? 'v' : 'the noise'
  const count = (model: 'text' | 'unet') => modules.filter(({ layer }) => layer.model === model).length
  const all = data.datasets.flatMap(({ train }) => train)
  const pictures = new Set(all.filter(({ subset }) => !subset.isRegularization).map(({ path }) => path)).size
  const validation = data.datasets.reduce((sum, dataset) => sum + dataset.validation.length, 0)
  const batch = Math.max(...datasets.map(({ batch: size }) => size))
  const numbers = learnt.reduce((sum, name) => sum + sizeOf(network.get(name)!.shape), 0)
  const lines = [
    `Base: ${base.checkpoint.name}, ${kind}, ${millions(elementCount(base.weights))} numbers, predicts ${predicts}.`,
    `Network: ${settings.network.family} of rank ${settings.network.dim}, alpha ${settings.network.alpha}; ` +
      `text encoder: ${count('text')} modules, U-Net: ${count('unet')} modules, ${millions(numbers)} numbers learn.`,
    `Data: ${pictures} pictures, ${all.length} with repeats${validation > 0 ? `, ${validation} more to judge by` : ''}.`,
    ...[...inBuckets(all)].map(([size, placed], i) => `  bucket ${i}: resolution ${size}, count ${placed.length}`),
    `Length: ${schedule.batchesPerEpoch} batches of up to ${batch} an epoch, ${schedule.epochs} epochs, ${schedule.totalSteps} steps` +
      `${args.gradient_accumulation_steps > 1 ? ` of ${args.gradient_accumulation_steps} batches` : ''}.`,
  ]
  const small = [...inBuckets(all)].filter(([, placed]) => placed.length < batch)
  if (small.length > 0)
    lines.push(`  ${small.length} of the buckets never fill a batch of ${batch}; their pictures count more.`)
  if (pictures < 10) lines.push(`  ${pictures} pictures are few: 15 at least and 20 to 50 are usual.`)

  const { seconds, bytes } = await estimate(run, batch, threads)
  lines.push(
    `Estimate: about ${duration(seconds * schedule.totalSteps)} (${seconds.toPrecision(2)} s a step), ${(bytes / 2 ** 30).toFixed(1)} GiB of memory.`,
  )
  return lines
}

/** Time and memory of a step of the largest bucket, from what its graph multiplies and this machine's speed. */
async function estimate({ model, modules, settings, data, isMasked }: PreparedRun, batch: number, threads: number) {
  const sizes = [...inBuckets(data.datasets.flatMap(({ train }) => train)).values()].map(
    ([picture]) => picture!.place.bucket,
  )
  const [width, height] = sizes.reduce((largest, size) =>
    size[0] * size[1] > largest[0] * largest[1] ? size : largest,
  )
  const scale = 2 ** (model.config.vae.mult.length - 1)
  const graph = loraGraph(
    {
      config: model.config,
      weights: model.weights,
      modules,
      hasDropout: hasDropout(settings.dropout),
      loss: settings.loss,
      isMasked,
      recomputes: settings.recomputes,
      text: { ...settings.text, isInside: modules.some(({ layer }) => layer.model === 'text') },
    },
    { batch, height: height / scale, width: width / scale },
  )
  const feeds = Object.fromEntries(
    graph.inputs.map(({ source, shape }) => [
      source.kind === 'input' ? source.name : '',
      { shape: shape.map(Number), data: new Float32Array(0) },
    ]),
  )
  const weightBytes = graph.weights.reduce((sum, { shape }) => sum + 4 * sizeOf(shape.map(Number)), 0)
  return {
    seconds: multiplications(graph) / (await speed(threads)),
    bytes: activationBytes(fixedFirst(graph), feeds) + weightBytes,
  }
}

/** Multiplications of the products and convolutions of a graph with known sizes. */
function multiplications(graph: Graph): number {
  return graph.nodes.reduce((sum, { op, inputs, outputs }) => {
    const out = sizeOf(outputs[0]!.shape.map(Number))
    if (op === 'Conv') return sum + out * sizeOf(inputs[1]!.shape.slice(1).map(Number))
    if (op === 'Gemm') return sum + out * Number(inputs[1]!.shape[1])
    return op === 'MatMul' ? sum + out * Number(inputs[0]!.shape.at(-1)) : sum
  }, 0)
}

/** Multiplications a second, of a product as large as a layer; half of what it reaches, since a step does more than these. */
async function speed(threads: number): Promise<number> {
  const side = 512
  const graph = new EmptyGraph()
  graph.output('y', gemm(graph.input('x', [side, side]), graph.input('w', [side, side]), null))
  const session = await compile(graph, { residence: 'mapped', threads })
  const matrix = { shape: [side, side], data: new Float32Array(side * side).fill(1) }
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 4; i++) {
    const before = performance.now()
    await session.run({ x: matrix, w: matrix })
    best = Math.min(best, performance.now() - before)
  }
  await session.dispose()
  return (0.5 * side ** 3) / (best / 1000)
}

function millions(count: number): string {
  return count < 1e6 ? `${Math.round(count / 1e3)} thousand` : `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} million`
}

/** `2 h 5 min`, `3 min`, `40 s`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
