import { StudioError } from '../errors.ts'
import type { WeightEntry, WeightFile } from '../files/weights.ts'
import { symbol } from '../graph/dim.ts'
import { add, mul, relu, sub, tanh, upsampleNearest } from '../graph/ops.ts'
import { Graph, numberAt, type Value } from '../graph/value.ts'
import { conv2d } from '../nn/linear.ts'
import { Scope } from '../nn/scope.ts'

/** One half of TAESD: a decoder small enough to show every step, or the encoder that goes with it. */
export interface TinyCoder {
  readonly half: Half
  /** Its layers, by their number in the sequence. */
  readonly layers: readonly TinyLayer[]
  readonly latentChannels: number
  readonly weights: ReadonlyMap<string, WeightEntry>
}

type Half = 'encoder' | 'decoder'

interface TinyLayer {
  /** `scaling` doubles or halves the picture; its convolution has no bias. */
  readonly kind: 'convolution' | 'block' | 'scaling'
  readonly path: string
  readonly out: number
}

/** Finds a half of TAESD in a file. Which layers it has is read off the numbers in the names and the shapes. */
export function detectTinyCoder(file: WeightFile, half: Half): TinyCoder {
  // As it is published by itself and as part of an autoencoder.
  const prefixes = [`${half}.layers.`, `${half}.`, `taesd_${half}.`, '']
  const prefix = prefixes.find((text) => [0, 1].some((place) => file.entries.has(`${text}${place}.weight`)))
  if (prefix === undefined) throw unknown(file, half)
  const layers: TinyLayer[] = []
  const places = [...file.entries.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => /^(\d{1,4})\./.exec(name.slice(prefix.length))?.[1])
    .flatMap((place) => (place === undefined ? [] : [Number(place)]))
  for (const place of [...new Set(places)].sort((a, b) => a - b)) {
    const path = `${prefix}${place}`
    const plain = file.entries.get(`${path}.weight`)
    const last = file.entries.get(`${path}.conv.4.weight`)
    const weight = plain ?? last
    if (weight?.shape.length !== 4) throw unknown(file, half)
    const kind = last ? 'block' : file.entries.has(`${path}.bias`) ? 'convolution' : 'scaling'
    layers.push({ kind, path, out: weight.shape[0]! })
  }
  const inputs = file.entries.get(`${layers[0]!.path}.weight`)?.shape[1]
  const outputs = layers.at(-1)!.out
  const [latentChannels, colours] = half === 'decoder' ? [inputs, outputs] : [outputs, inputs]
  const scalings = layers.filter(({ kind }) => kind === 'scaling').length
  if (latentChannels === undefined || colours !== 3 || scalings !== 3) throw unknown(file, half)
  return { half, layers, latentChannels, weights: file.entries }
}

/** The decoder: `latent` [B, z, H, W] as the UNet has it → `picture` [B, 3, 8H, 8W] in −1…1. */
export function tinyDecoderGraph(decoder: TinyCoder): Graph {
  const graph = new Graph()
  const latent = graph.input('latent', [symbol('batch'), decoder.latentChannels, symbol('height'), symbol('width')])
  // Softly within ±3, where nearly all of a latent lies.
  const bounded = mul(tanh(mul(latent, 1 / 3)), 3)
  graph.output('picture', sub(mul(layersOf(decoder, bounded), 2), 1))
  return graph
}

/** The encoder: `picture` [B, 3, 8H, 8W] in −1…1 → `latent` [B, z, H, W] as the UNet has it. */
export function tinyEncoderGraph(encoder: TinyCoder): Graph {
  const graph = new Graph()
  const picture = graph.input('picture', [symbol('batch'), 3, symbol('height', 8), symbol('width', 8)])
  graph.output('latent', layersOf(encoder, mul(add(picture, 1), 0.5)))
  return graph
}

function layersOf({ half, layers, weights }: TinyCoder, x: Value): Value {
  const root = new Scope({ graph: x.graph, weights })
  layers.forEach(({ kind, path, out }, index) => {
    const scope = root.at(path)
    if (kind === 'block') x = block(scope, x, out)
    else if (kind === 'convolution') x = conv2d(scope, x, { out, kernel: 3 })
    else if (half === 'decoder') x = conv2d(scope, upsampleNearest(x, 2), { out, kernel: 3, hasBias: false })
    else x = conv2d(scope, x, { out, kernel: 3, stride: 2, hasBias: false })
    if (half === 'decoder' && index === 0) x = relu(x)
  })
  return x
}

/** Three convolutions beside a skip. */
function block(scope: Scope, x: Value, out: number): Value {
  let h = relu(conv2d(scope.at('conv.0'), x, { out, kernel: 3 }))
  h = relu(conv2d(scope.at('conv.2'), h, { out, kernel: 3 }))
  h = conv2d(scope.at('conv.4'), h, { out, kernel: 3 })
  return relu(add(h, numberAt(x, 1) === out ? x : conv2d(scope.at('skip'), x, { out, kernel: 1, hasBias: false })))
}

function unknown({ path }: WeightFile, half: Half): StudioError {
  const article = half === 'encoder' ? 'an' : 'a'
  return new StudioError('unsupported', `${path}: is not TAESD's ${half}, expected ${article} ${half} of that kind`, {
    field: path,
  })
}
