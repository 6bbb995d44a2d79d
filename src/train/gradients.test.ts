import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { numberedWeights, numbers } from '../../test/models/numbered.ts'
import { readWeight } from '../files/readWeight.ts'
import { grad } from '../graph/grad.ts'
import { mul, reduceSum } from '../graph/ops.ts'
import { simplify } from '../graph/simplify.ts'
import { Graph, type Value } from '../graph/value.ts'
import { clipText } from '../models/clipText.ts'
import { sd1, type TextConfig, type UnetConfig, type VaeConfig } from '../models/configs.ts'
import { unet } from '../models/unet.ts'
import { vaeDecode, vaeEncode } from '../models/vae.ts'
import { float32Emit } from '../nn/emit.ts'
import { Scope } from '../nn/scope.ts'
import { compile } from '../runtime/compile.ts'
import type { Feed } from '../runtime/session.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { zeros } from '../tensor/tensor.ts'
import { noWeights, parameterInputs } from './parameters.ts'

/** Recorded by scripts/goldens/gradients.py: of each gradient its norm, then its products with probes. */
interface Recorded {
  readonly name: string
  readonly config: object
  readonly size?: readonly [number, number]
  readonly loss: number
  readonly gradients: Readonly<Record<string, readonly number[]>>
}
const { cases } = JSON.parse(readFileSync(new URL('./goldens/gradients.json', import.meta.url), 'utf8')) as {
  cases: readonly Recorded[]
}

const forms = [float32Emit, { ...float32Emit, attention: 'primitive', activation: 'primitive' }] as const

test.each(cases.flatMap((recorded) => forms.map((emit) => [recorded.name, emit.attention, recorded, emit] as const)))(
  '%s with %s attention: every gradient is PyTorch’s',
  async (_name, _attention, recorded, emit) => {
    const graph = new Graph()
    const feeds: Record<string, Feed> = {}
    const { standIn, inputs } = parameterInputs(graph)
    const root = new Scope({ graph, weights: noWeights, standIn, emit })
    const input = (name: string, shape: readonly number[]) => {
      const full = `${recorded.name} ${name}`
      feeds[full] = numbers(full, shape)
      return graph.input(full, shape)
    }
    const { output, wrt } = build(recorded, root, input, feeds)
    feeds.direction = numbers(`${recorded.name} loss`, output.shape.map(Number))
    const weighted = mul(output, graph.input('direction', output.shape))
    const loss = reduceSum(
      weighted,
      output.shape.map((_, axis) => axis),
    )

    const sought = new Map([...wrt.map((value) => [nameOf(value), value] as const), ...inputs])
    const gradients = grad(loss, [...sought.values()])
    graph.output('loss', loss)
    for (const [i, name] of [...sought.keys()].entries()) graph.output(`d ${name}`, gradients[i]!)
    for (const [name, { shape }] of inputs) {
      feeds[name] = readWeight(numberedWeights.get(name, shape.map(Number))!)
    }

    const session = await compile(simplify(graph), { residence: 'mapped', threads: 1 })
    const results = await session.run(feeds)
    await session.dispose()
    expect(Math.abs(results.loss!.data[0]! - recorded.loss)).toBeLessThan(1e-4 * Math.abs(recorded.loss))
    expect([...sought.keys()].sort()).toEqual(Object.keys(recorded.gradients).sort())
    const wrong = Object.entries(recorded.gradients)
      .map(([name, sketch]) => ({ name, error: distance(name, results[`d ${name}`]!, sketch, largestNorm(recorded)) }))
      .filter(({ error }) => !(error <= 1e-4))
    expect(wrong).toEqual([])
  },
)

type Input = (name: string, shape: readonly number[]) => Value

function build({ name, config, size }: Recorded, root: Scope, input: Input, feeds: Record<string, Feed>) {
  const { graph } = root
  const [height, width] = size ?? [0, 0]
  if (name.includes('unet')) {
    const numbersOf: UnetConfig = { ...sd1.unet, ...config }
    const latent = input('latent', [2, numbersOf.inChannels, height, width])
    const context = input('context', [2, 7, numbersOf.contextWidth])
    feeds.timesteps = { shape: [2], data: Float32Array.of(801, 3.25) }
    const timesteps = graph.input('timesteps', [2])
    const scope = root.at('model.diffusion_model')
    return { output: unet(scope, { latent, timesteps, context }, numbersOf), wrt: [latent, context] }
  }
  if (name.includes('text')) {
    const numbersOf: TextConfig = { ...sd1.text, ...config }
    const shape = [2, 77, numbersOf.width]
    feeds.tokens = { shape: [2, 77], data: BigInt64Array.from({ length: 154 }, (_, i) => BigInt((i * 37) % 99)) }
    feeds.injected = zeros(shape)
    feeds.isInjected = zeros([2, 77, 1])
    const inputs = {
      tokens: graph.input('tokens', [2, 77], 'int64'),
      injected: graph.input('injected', shape),
      isInjected: graph.input('isInjected', [2, 77, 1]),
    }
    const scope = root.at('cond_stage_model').at(numbersOf.kind === 'clip' ? 'transformer.text_model' : 'model')
    return { output: clipText(scope, inputs, numbersOf, { skip: 0 }), wrt: [] }
  }
  const numbersOf: VaeConfig = { ...sd1.vae, ...config }
  const scope = root.at('first_stage_model')
  if (name.includes('decoder')) {
    const latent = input('latent', [2, numbersOf.latentChannels, height, width])
    return { output: vaeDecode(scope, latent, numbersOf), wrt: [latent] }
  }
  const scale = 2 ** (numbersOf.mult.length - 1)
  const picture = input('picture', [2, 3, height * scale, width * scale])
  return { output: vaeEncode(scope, picture, numbersOf), wrt: [picture] }
}

/**
 * An estimate of ‖g − recorded‖ / ‖recorded‖: a probe of numbers uniform in ±1 has variance 1/3, so three times the
 * mean square of the products' differences is ‖g − recorded‖². A gradient that is 0 but for rounding (that of a key's
 * bias) is measured by a thousandth of the model's largest instead.
 */
function distance(name: string, { shape, data }: Tensor, [norm, ...products]: readonly number[], largest: number) {
  const squares = products.map((product, i) => {
    const probe = numbers(`${name} probe ${i}`, shape).data
    return (data.reduce((sum, x, at) => sum + x * probe[at]!, 0) - product) ** 2
  })
  const difference = Math.sqrt((3 * squares.reduce((sum, x) => sum + x, 0)) / squares.length)
  return difference / Math.max(norm!, 1e-3 * largest)
}

function largestNorm({ gradients }: Recorded): number {
  return Math.max(...Object.values(gradients).map(([norm]) => norm!))
}

function nameOf({ source }: Value): string {
  return source.kind === 'input' ? source.name : ''
}
