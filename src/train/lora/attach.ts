import { mulDims } from '../../graph/dim.ts'
import { add, conv, div, gemm, matmul, mul, reduceSum, reshape, sqrt } from '../../graph/ops.ts'
import type { Graph, Value } from '../../graph/value.ts'
import { type Adapter, type LayerSite, Scope, type StandIn, type WeightSource } from '../../nn/scope.ts'
import { sizeOf } from '../../tensor/shape.ts'
import { type TrainedModule, tensorName } from './network.ts'

/** A network as part of a graph, its tensors inputs of their names. */
export interface AttachedNetwork {
  readonly adapter: Adapter
  readonly standIn: StandIn
  /** The tensors that the graph has asked for so far. A layer it never reaches, as with skipped ones, has none. */
  readonly inputs: ReadonlyMap<string, Value>
  /** Factors on what passes between down and up, by the layer's path, where dropout is wanted. */
  readonly masks: ReadonlyMap<string, Value>
}

/**
 * Puts the modules of a network into a graph. A plain LoRA runs beside its layer, y + scale·(x·D)·U, where only the
 * small matrices have gradients; Hadamard and Kronecker products, and whatever DoRA normalises, take the place of the
 * layer's weight, as W + ΔW.
 */
export function attachNetwork(
  graph: Graph,
  modules: readonly TrainedModule[],
  weights: WeightSource,
  { hasDropout }: { readonly hasDropout: boolean },
): AttachedNetwork {
  const byPath = new Map(modules.map((module) => [module.layer.path, module]))
  const inputs = new Map<string, Value>()
  const masks = new Map<string, Value>()
  const partsOf = (module: TrainedModule): ReadonlyMap<string, Value> =>
    new Map(
      module.parts.map((part) => {
        const name = tensorName(module, part)
        const input = inputs.get(name) ?? graph.input(name, part.shape)
        inputs.set(name, input)
        return [part.name, input]
      }),
    )
  const frozen = new Scope({ graph, weights })

  return {
    inputs,
    masks,
    adapter(site, x, y) {
      const module = byPath.get(site.path)
      if (!module || !isBeside(module)) return y
      const masked = (low: Value): Value => {
        if (!hasDropout) return low
        const mask = graph.input(maskName(site.path), low.shape)
        masks.set(site.path, mask)
        return mul(low, mask)
      }
      return add(y, mul(branch(site, x, partsOf(module), masked), module.scale))
    },
    standIn(path, shape) {
      const module = path.endsWith('.weight') ? byPath.get(path.slice(0, -'.weight'.length)) : undefined
      if (!module || isBeside(module)) return undefined
      return replacement(module, frozen.weight(path, shape), partsOf(module))
    },
  }
}

/** The name of the input that holds a layer's dropout. */
export function maskName(path: string): string {
  return `${path}.dropout`
}

function isBeside({ family, isDora }: TrainedModule): boolean {
  return family === 'lora' && !isDora
}

type Parts = ReadonlyMap<string, Value>

function part(parts: Parts, name: string): Value {
  const value = parts.get(name)
  if (!value) throw new Error(`internal: a module without ${name}`)
  return value
}

function branch(site: LayerSite, x: Value, parts: Parts, masked: (low: Value) => Value): Value {
  const [down, up] = [part(parts, 'lora_down.weight'), part(parts, 'lora_up.weight')]
  const rank = down.shape[0]!
  if (site.kind === 'linear') {
    const rest = x.shape.slice(0, -1)
    const flat = reshape(down, [rank, site.weightShape[1]!])
    const low = masked(reshape(gemm(reshape(x, [mulDims(...rest), site.weightShape[1]!]), flat, null), [...rest, rank]))
    const out = site.weightShape[0]!
    return reshape(gemm(reshape(low, [mulDims(...rest), rank]), reshape(up, [out, rank]), null), [...rest, out])
  }
  const { padding, stride } = site
  const [, , ...kernel] = site.weightShape
  const shape = [rank, site.weightShape[1]!, ...kernel]
  const pads = [padding, padding, padding, padding] as const
  const low = masked(conv(x, reshape(down, shape), null, { stride, pads, groups: 1 }))
  const point = reshape(up, [site.weightShape[0]!, rank, 1, 1])
  return conv(low, point, null, { stride: 1, pads: [0, 0, 0, 0], groups: 1 })
}

/** W + ΔW, with rows of the lengths that DoRA learns. */
function replacement(module: TrainedModule, weight: Value, parts: Parts): Value {
  const rows = module.layer.shape[0]!
  const columns = sizeOf(module.layer.shape.slice(1))
  const changed = add(reshape(weight, [rows, columns]), mul(differences[module.family](module, parts), module.scale))
  if (!module.isDora) return reshape(changed, weight.shape)
  const length = add(sqrt(reduceSum(mul(changed, changed), [1])), float32Epsilon)
  const wanted = reshape(part(parts, 'dora_scale'), [rows, 1])
  return reshape(mul(changed, div(wanted, length)), weight.shape)
}

/** Keeps a row of zeros from dividing by its length. */
const float32Epsilon = 2 ** -23

/** ΔW / scale as a matrix [out, in·points]. */
const differences: Readonly<Record<TrainedModule['family'], (module: TrainedModule, parts: Parts) => Value>> = {
  lora: ({ layer, rank }, parts) =>
    matmul(
      reshape(part(parts, 'lora_up.weight'), [layer.shape[0]!, rank]),
      reshape(part(parts, 'lora_down.weight'), [rank, sizeOf(layer.shape.slice(1))]),
    ),
  loha: (_, parts) =>
    mul(
      matmul(part(parts, 'hada_w1_a'), part(parts, 'hada_w1_b')),
      matmul(part(parts, 'hada_w2_a'), part(parts, 'hada_w2_b')),
    ),
  lokr: ({ layer }, parts) => {
    const first = part(parts, 'lokr_w1')
    const whole = parts.get('lokr_w2')
    const second = whole ?? matmul(part(parts, 'lokr_w2_a'), part(parts, 'lokr_w2_b'))
    const [out1, in1] = first.shape as [number, number]
    const [out, columns] = [layer.shape[0]!, sizeOf(layer.shape.slice(1))]
    const [out2, columns2] = [out / out1, columns / in1]
    const product = mul(reshape(first, [out1, 1, in1, 1]), reshape(second, [1, out2, 1, columns2]))
    return reshape(product, [out, columns])
  },
}
