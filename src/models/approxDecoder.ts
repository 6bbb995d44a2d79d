import { StudioError } from '../errors.ts'
import type { WeightFile } from '../files/weights.ts'
import { symbol } from '../graph/dim.ts'
import { leakyRelu, pad, upsampleNearest } from '../graph/ops.ts'
import { Graph } from '../graph/value.ts'
import { conv2d } from '../nn/linear.ts'
import { Scope } from '../nn/scope.ts'

const count = 8

/**
 * A1111's "Approx NN": eight convolutions without padding, on a latent of twice the size with the margin that they eat.
 * `latent` [B, 4, H, W] as the UNet has it → `picture` [B, 3, 2H, 2W] in about −1…1.
 */
export function approxDecoderGraph(file: WeightFile): Graph {
  const shapes = Array.from({ length: count }, (_, i) => file.entries.get(`conv${i + 1}.weight`)?.shape)
  const layers = shapes.flatMap((shape) => (shape?.length === 4 ? [{ out: shape[0]!, kernel: shape[2]! }] : []))
  const latentChannels = shapes[0]?.[1]
  if (layers.length !== count || layers.at(-1)!.out !== 3 || latentChannels === undefined) {
    throw new StudioError('unsupported', `${file.path}: is no "Approx NN" decoder, expected conv1 to conv${count}`, {
      field: file.path,
    })
  }

  const graph = new Graph()
  const scope = new Scope({ graph, weights: file.entries })
  const latent = graph.input('latent', [symbol('batch'), latentChannels, symbol('height'), symbol('width')])
  const margin = layers.reduce((sum, { kernel }) => sum + Math.floor(kernel / 2), 0)
  const around = [0, 0, margin, margin]
  let x = pad(upsampleNearest(latent, 2), { before: around, after: around, mode: 'constant' })
  for (const [i, layer] of layers.entries()) {
    x = leakyRelu(conv2d(scope.at(`conv${i + 1}`), x, { ...layer, padding: 0 }), 0.1)
  }
  graph.output('picture', x)
  return graph
}
