import { symbol } from '../graph/dim.ts'
import { add, concat, gelu, reshape, slice, transpose } from '../graph/ops.ts'
import { Graph, type Value } from '../graph/value.ts'
import { attention } from '../nn/attention.ts'
import { embedding } from '../nn/embed.ts'
import { conv2d, linear } from '../nn/linear.ts'
import { layerNorm } from '../nn/norm.ts'
import { Scope } from '../nn/scope.ts'
import { type Blip, type BlipTextConfig, type BlipVisionConfig, visionNames } from './blip.ts'

/** Names of a decoder layer's keys and values, each [·, tokens, W]: of the picture, and of the words so far. */
export const pictureNames = (layer: number) => [`pictureKey.${layer}`, `pictureValue.${layer}`] as const
export const wordNames = (layer: number) => [`key.${layer}`, `value.${layer}`] as const
/** The same of the words before the one that is read. */
export const pastName = (name: string) => `past.${name}`

/**
 * What the decoder reads of a picture, once for all words: `picture` [1, 3, side, side], normalised, → the
 * `pictureNames` of every layer.
 */
export function pictureGraph({ vision, text, weights }: Blip): Graph {
  const graph = new Graph()
  const root = new Scope({ graph, weights })
  const seen = blipVision(
    root.at(visionNames[vision.kind].root),
    graph.input('picture', [1, 3, vision.side, vision.side]),
    vision,
  )
  for (let layer = 0; layer < text.layers; layer++) {
    const cross = layerScope(root, layer).at('crossattention.self')
    const [key, value] = pictureNames(layer)
    graph.output(key, linear(cross.at('key'), seen, { out: text.width }))
    graph.output(value, linear(cross.at('value'), seen, { out: text.width }))
  }
  return graph
}

/**
 * The next word of several sentences: their last `tokens` [B] int64, which stand at `position` [1] int64, the keys and
 * values of the words before, [B, P, W], and those of the picture, [1, S, W] → `logits` [B, V] and the keys and values
 * of all words, [B, P + 1, W]. Reading one word at a time, attention needs no mask.
 */
export function wordGraph({ vision, text, weights }: Blip): Graph {
  const graph = new Graph()
  const sentences = symbol('sentences')
  const past = symbol('past')
  const pictureTokens = (vision.side / vision.patch) ** 2 + 1
  const root = new Scope({ graph, weights })

  const table = root.at('text_decoder.bert.embeddings')
  const word = embedding(table, 'word_embeddings.weight', graph.input('tokens', [sentences], 'int64'), [
    text.vocabulary,
    text.width,
  ])
  const place = embedding(table, 'position_embeddings.weight', graph.input('position', [1], 'int64'), [
    text.positions,
    text.width,
  ])
  let x = bertNorm(table.at('LayerNorm'), reshape(add(word, place), [sentences, 1, text.width]))

  for (let layer = 0; layer < text.layers; layer++) {
    const [pictureKey, pictureValue] = pictureNames(layer).map((name) =>
      graph.input(name, [1, pictureTokens, text.width]),
    )
    const [pastKey, pastValue] = wordNames(layer).map((name) =>
      graph.input(pastName(name), [sentences, past, text.width]),
    )
    const block = layerScope(root, layer)
    const self = block.at('attention.self')
    const [key, value] = [
      concat([pastKey!, linear(self.at('key'), x, { out: text.width })], 1),
      concat([pastValue!, linear(self.at('value'), x, { out: text.width })], 1),
    ]
    for (const [i, name] of wordNames(layer).entries()) graph.output(name, i === 0 ? key : value)
    x = bertLayer(block, x, { key, value }, { key: pictureKey!, value: pictureValue! }, text)
  }
  graph.output(
    'logits',
    reshape(wordLogits(root.at('text_decoder.cls.predictions'), x, text), [sentences, text.vocabulary]),
  )
  return graph
}

/** A picture [1, 3, side, side] as patches that have read each other, and one token for all: → [1, S, W]. */
export function blipVision(scope: Scope, picture: Value, config: BlipVisionConfig): Value {
  const { width, patch, side, layers, epsilon } = config
  const names = visionNames[config.kind]
  const patches = (side / patch) ** 2
  const map = conv2d(scope.at(names.patches), picture, { out: width, kernel: patch, stride: patch, padding: 0 })
  const tokens = transpose(reshape(map, [1, width, patches]), [0, 2, 1])
  const placed = concat([scope.weight(names.classToken, [1, 1, width]), tokens], 1)
  let x = add(placed, scope.weight(names.positions, [1, patches + 1, width]))
  for (let layer = 0; layer < layers; layer++) x = visionLayer(scope.at(names.layers).at(layer), x, config)
  return layerNorm(scope.at(names.finalNorm), x, epsilon)
}

/** Self-attention and a two-layer perceptron, each after a normalisation and beside a skip: x [1, S, W] → [1, S, W]. */
function visionLayer(scope: Scope, x: Value, { kind, width, mlpWidth, heads, epsilon }: BlipVisionConfig): Value {
  const names = visionNames[kind]
  const joint = linear(scope.at(names.qkv), layerNorm(scope.at(names.norm1), x, epsilon), { out: 3 * width })
  const part = (i: number) => slice(joint, 2, i * width, (i + 1) * width)
  const seen = attention(scope, { query: part(0), key: part(1), value: part(2) }, { heads })
  x = add(x, linear(scope.at(names.projection), seen, { out: width }))
  const wide = gelu(linear(scope.at('mlp.fc1'), layerNorm(scope.at(names.norm2), x, epsilon), { out: mlpWidth }))
  return add(x, linear(scope.at('mlp.fc2'), wide, { out: width }))
}

interface KeyValue {
  readonly key: Value
  readonly value: Value
}

/** A word [B, 1, W] reads the words up to itself, then the picture; each part is normalised with its skip. */
function bertLayer(scope: Scope, x: Value, words: KeyValue, picture: KeyValue, text: BlipTextConfig): Value {
  const { width, heads, mlpWidth } = text
  const joined = (part: Scope, h: Value, skip: Value) =>
    bertNorm(part.at('LayerNorm'), add(linear(part.at('dense'), h, { out: width }), skip))

  const query = linear(scope.at('attention.self.query'), x, { out: width })
  x = joined(scope.at('attention.output'), attention(scope, { query, ...words }, { heads }), x)

  // The picture is the same for all sentences, so these stand in a row as if they were words of one.
  const asked = linear(scope.at('crossattention.self.query'), x, { out: width })
  const inRow = reshape(asked, [1, asked.shape[0]!, width])
  const seen = reshape(attention(scope, { query: inRow, ...picture }, { heads }), x.shape)
  x = joined(scope.at('crossattention.output'), seen, x)

  const wide = gelu(linear(scope.at('intermediate.dense'), x, { out: mlpWidth }))
  return joined(scope.at('output'), wide, x)
}

/** The chances of every word of the vocabulary, before softmax: x [B, 1, W] → [B, 1, V]. */
function wordLogits(scope: Scope, x: Value, { width, vocabulary }: BlipTextConfig): Value {
  const h = bertNorm(scope.at('transform.LayerNorm'), gelu(linear(scope.at('transform.dense'), x, { out: width })))
  return linear(scope.at('decoder'), h, { out: vocabulary })
}

const bertNorm = (scope: Scope, x: Value) => layerNorm(scope, x, 1e-12)

function layerScope(root: Scope, layer: number): Scope {
  return root.at('text_decoder.bert.encoder.layer').at(layer)
}
