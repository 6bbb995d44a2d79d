import { mt19937 } from '../tensor/mt19937.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Parameters } from './parameters.ts'

/** Names and shapes of tensors. */
type Shapes = ReadonlyMap<string, readonly number[]>

/**
 * Untrained parameters. Each is drawn from a stream of its own name and the seed, so it is the same whichever others
 * there are.
 *
 * Norms are 1 and 0. Layers are uniform in ±1/√fan-in (He et al. 2015 with the slope PyTorch takes), biases too. The
 * text encoder has the deviations of Radford et al. 2021. The UNet's last convolutions are 0, so every block begins as
 * the identity and the first prediction is 0 (Dhariwal and Nichol 2021).
 */
export function initialParameters(shapes: Shapes, seed: number): Parameters {
  const parameters = new Map<string, Tensor>()
  for (const [name, shape] of shapes) {
    parameters.set(name, { shape, data: drawn(sizeOf(shape), distribution(name, shapes), numbersOf(name, seed)) })
  }
  return parameters
}

/** How untrained numbers are spread: all alike, uniform in ±bound, or normal. */
export type Distribution = { readonly constant: number } | { readonly bound: number } | { readonly deviation: number }

function distribution(name: string, shapes: Shapes): Distribution {
  const shape = shapes.get(name)!
  if (isZero(name)) return { constant: 0 }
  if (name.startsWith('cond_stage_model.')) return textDistribution(name, shape, shapes)
  if (shape.length > 1) return { bound: 1 / Math.sqrt(sizeOf(shape.slice(1))) }

  const isBias = name.endsWith('bias')
  const weight = shapes.get(name.replace(/bias$/, 'weight'))
  if (isBias && weight && weight.length > 1) return { bound: 1 / Math.sqrt(sizeOf(weight.slice(1))) }
  return { constant: isBias ? 0 : 1 }
}

function isZero(name: string): boolean {
  return /^model\.diffusion_model\.(out\.2|.*\.(out_layers\.3|\d+\.proj_out))\.(weight|bias)$/.test(name)
}

function textDistribution(name: string, shape: readonly number[], shapes: Shapes): Distribution {
  if (shape.length === 1) return { constant: name.endsWith('bias') ? 0 : 1 }
  if (/token_embedding/.test(name)) return { deviation: 0.02 }
  if (/position/.test(name)) return { deviation: 0.01 }
  const layers = [...shapes.keys()].filter((other) => /(out_proj)\.weight$/.test(other)).length
  const [out, from] = [shape[0]!, shape[1]!]
  if (/out_proj|fc2|c_proj/.test(name)) return { deviation: Math.min(out, from) ** -0.5 * (2 * layers) ** -0.5 }
  return /fc1|c_fc/.test(name) ? { deviation: (2 * from) ** -0.5 } : { deviation: from ** -0.5 }
}

/** So many numbers of a distribution from a stream of 32-bit words. */
export function drawn(count: number, how: Distribution, next: () => number): Float32Array {
  const data = new Float32Array(count)
  const uniform = () => (next() + 0.5) * 2 ** -32
  for (let i = 0; i < data.length; i++) {
    if ('constant' in how) data[i] = how.constant
    else if ('bound' in how) data[i] = (2 * uniform() - 1) * how.bound
    else data[i] = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()) * how.deviation
  }
  return data
}

/** A stream of 32-bit words for one name: of the twister, seeded by FNV-1a of the name, started from the seed. */
export function numbersOf(name: string, seed: number): () => number {
  let hash = (0x811c9dc5 ^ seed) | 0
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193)
  return mt19937(hash >>> 0)
}
