import { StudioError } from '../errors.ts'
import type { WeightEntry, WeightFile } from '../files/weights.ts'
import { symbol } from '../graph/dim.ts'
import { add, mul, relu, sub, tanh, upsampleNearest } from '../graph/ops.ts'
import { Graph, numberAt, type Value } from '../graph/value.ts'
import { conv2d } from '../nn/linear.ts'
import { Scope } from '../nn/scope.ts'

/** TAESD's decoder: small enough to show every step. */
export interface TinyDecoder {
  /** Its layers, by their number in the sequence. */
  readonly layers: readonly TinyLayer[]
  readonly latentChannels: number
  readonly weights: ReadonlyMap<string, WeightEntry>
}

interface TinyLayer {
  /** `upsampling` doubles the picture and has a convolution without bias after it. */
  readonly kind: 'convolution' | 'block' | 'upsampling'
  readonly path: string
  readonly out: number
}

/** Prefixes under which the decoder's layers are published, by itself and as part of an autoencoder. */
const prefixes = ['decoder.layers.', 'decoder.', 'taesd_decoder.', '']

/** Finds TAESD's decoder in a file. Which layers it has is read off the numbers in the names and the shapes. */
export function detectTinyDecoder(file: WeightFile): TinyDecoder {
  const prefix = prefixes.find((text) => [0, 1].some((place) => file.entries.has(`${text}${place}.weight`)))
  if (prefix === undefined) throw unknown(file)
  const layers: TinyLayer[] = []
  const places = [...file.entries.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(/^(\d+)\./.exec(name.slice(prefix.length))?.[1] ?? Number.NaN))
  for (const place of [...new Set(places)].sort((a, b) => a - b)) {
    const path = `${prefix}${place}`
    const plain = file.entries.get(`${path}.weight`)
    const last = file.entries.get(`${path}.conv.4.weight`)
    const weight = plain ?? last
    if (weight?.shape.length !== 4) throw unknown(file)
    const kind = last ? 'block' : file.entries.has(`${path}.bias`) ? 'convolution' : 'upsampling'
    layers.push({ kind, path, out: weight.shape[0]! })
  }
  const latentChannels = file.entries.get(`${layers[0]!.path}.weight`)?.shape[1]
  if (latentChannels === undefined || layers.at(-1)!.out !== 3) throw unknown(file)
  return { layers, latentChannels, weights: file.entries }
}

/** The decoder: `latent` [B, z, H, W] as the UNet has it → `picture` [B, 3, 8H, 8W] in −1…1. */
export function tinyDecoderGraph({ layers, latentChannels, weights }: TinyDecoder): Graph {
  const graph = new Graph()
  const latent = graph.input('latent', [symbol('batch'), latentChannels, symbol('height'), symbol('width')])
  const root = new Scope({ graph, weights })

  // Softly within ±3, where nearly all of a latent lies.
  let h = mul(tanh(mul(latent, 1 / 3)), 3)
  layers.forEach(({ kind, path, out }, index) => {
    const scope = root.at(path)
    if (kind === 'block') h = block(scope, h, out)
    else if (kind === 'upsampling') h = conv2d(scope, upsampleNearest(h, 2), { out, kernel: 3, hasBias: false })
    else h = conv2d(scope, h, { out, kernel: 3 })
    if (index === 0) h = relu(h)
  })
  graph.output('picture', sub(mul(h, 2), 1))
  return graph
}

/** Three convolutions beside a skip. */
function block(scope: Scope, x: Value, out: number): Value {
  let h = relu(conv2d(scope.at('conv.0'), x, { out, kernel: 3 }))
  h = relu(conv2d(scope.at('conv.2'), h, { out, kernel: 3 }))
  h = conv2d(scope.at('conv.4'), h, { out, kernel: 3 })
  return relu(add(h, numberAt(x, 1) === out ? x : conv2d(scope.at('skip'), x, { out, kernel: 1, hasBias: false })))
}

function unknown({ path }: WeightFile): StudioError {
  return new StudioError('unsupported', `${path}: is no decoder of the TAESD kind`, { field: path })
}
