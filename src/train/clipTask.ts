import { type Dim, symbol } from '../graph/dim.ts'
import { type GradOptions, grad } from '../graph/grad.ts'
import { matmul, mul, reduceSum, reshape, transpose } from '../graph/ops.ts'
import { simplify } from '../graph/simplify.ts'
import { Graph, type Value } from '../graph/value.ts'
import { clipText } from '../models/clipText.ts'
import { prefixes } from '../models/keys.ts'
import { type Layout, textLayout } from '../models/layout.ts'
import { Scope } from '../nn/scope.ts'
import type { ClipModel, ClipRun } from './clipConfig.ts'
import { textConfigOf } from './clipConfig.ts'
import { initialParameters } from './initialise.ts'
import { clipLoss, siglipLoss } from './losses/contrastive.ts'
import { noWeights, type Parameters, parameterInputs } from './parameters.ts'
import { pictureTower } from './pictureTower.ts'
import { trainingEmit } from './trainingEmit.ts'

/** Shapes of all parameters of a run that knows so many tokens. */
function clipShapes(model: ClipModel, tokens: number): Layout {
  const shapes = new Map<string, readonly number[]>(textLayout(trainedText(model, tokens)))
  const graph = new Graph()
  const standIn = (path: string, asked: readonly number[]) => {
    if (!shapes.has(path)) shapes.set(path, asked)
    return graph.input(path, asked)
  }
  const scope = new Scope({ graph, weights: noWeights, standIn })
  const { size } = model.picture
  pictureTower(scope.at('picture'), graph.input('pictures', [1, 3, size, size]), model.picture, model.embedding)
  shapes.set('text_projection', [model.embedding, model.text.width])
  shapes.set('logit_scale', [])
  shapes.set('logit_bias', [])
  return shapes
}

/** As it is while training: with the tokens that occur and the positions that are used. */
function trainedText(model: ClipModel, tokens: number) {
  return { ...textConfigOf(model), vocabulary: tokens, tokens: model.window }
}

/** Where the losses begin: Zhai et al. 2023. */
const firstScale = Math.log(10)
const firstBias = -10

/** Untrained parameters. */
export function initialClip(model: ClipModel, tokens: number, seed: number): Parameters {
  const parameters = initialParameters(clipShapes(model, tokens), seed)
  parameters.get('logit_scale')!.data[0] = firstScale
  parameters.get('logit_bias')!.data[0] = firstBias
  return parameters
}

/**
 * What the two encoders learn from: `pictures` [B, 3, S, S], `tokens` [B, window] by their places in the vocabulary,
 * `ends` [B, window], 1 where a caption ends, and the parameters → `loss` and `d <name>`.
 */
export function clipTrainingGraph(
  model: ClipModel,
  tokens: number,
  batch: number,
  loss: ClipRun['loss'],
  options: GradOptions = {},
): Graph {
  const graph = new Graph()
  const { pictures, texts, inputs, parameter } = towers(graph, model, tokens, batch)
  const [logScale, bias] = [parameter('logit_scale'), parameter('logit_bias')]
  const pairs = { pictures, texts, logScale }
  const value = loss === 'clip' ? clipLoss(pairs) : siglipLoss({ ...pairs, bias })
  graph.output('loss', value)
  const gradients = grad(value, [...inputs.values()], options)
  for (const [i, name] of [...inputs.keys()].entries()) graph.output(`d ${name}`, gradients[i]!)
  return simplify(graph)
}

/** What the encoders are judged by: `pictureVectors` and `textVectors` [B, embedding] of the same inputs. */
export function clipScoreGraph(model: ClipModel, tokens: number, batch: number): Graph {
  const graph = new Graph()
  const { pictures, texts } = towers(graph, model, tokens, batch)
  graph.output('pictureVectors', pictures)
  graph.output('textVectors', texts)
  return simplify(graph)
}

/** The picture encoder alone: any number of `pictures` → `vectors` [B, embedding]. */
export function pictureVectorGraph(model: ClipModel): Graph {
  const graph = new Graph()
  const { scope } = trainedScope(graph, model, 1)
  graph.output('vectors', pictureVectors(scope, model, symbol('batch')))
  return simplify(graph)
}

/** The text encoder alone: any number of `tokens` and `ends` → `vectors` [B, embedding]. */
export function captionVectorGraph(model: ClipModel, tokens: number): Graph {
  const graph = new Graph()
  const { scope } = trainedScope(graph, model, tokens)
  graph.output('vectors', captionVectors(scope, model, tokens, symbol('batch')))
  return simplify(graph)
}

function trainedScope(graph: Graph, model: ClipModel, tokens: number) {
  const shapes = clipShapes(model, tokens)
  const { standIn, inputs } = parameterInputs(graph, (path) => shapes.get(path))
  return { scope: new Scope({ graph, weights: noWeights, standIn, emit: trainingEmit }), inputs }
}

function towers(graph: Graph, model: ClipModel, tokens: number, batch: number) {
  const { scope, inputs } = trainedScope(graph, model, tokens)
  const pictures = pictureVectors(scope, model, batch)
  const texts = captionVectors(scope, model, tokens, batch)
  const parameter = (name: string): Value => scope.weight(name, [])
  return { pictures, texts, inputs, parameter }
}

function pictureVectors(scope: Scope, { picture, embedding }: ClipModel, batch: Dim): Value {
  const pictures = scope.graph.input('pictures', [batch, 3, picture.size, picture.size])
  return pictureTower(scope.at('picture'), pictures, picture, embedding)
}

function captionVectors(scope: Scope, model: ClipModel, tokens: number, batch: Dim): Value {
  const { graph } = scope
  const { window, embedding } = model
  const { width } = model.text
  const read = {
    tokens: graph.input('tokens', [batch, window], 'int64'),
    injected: graph.constant(new Float32Array(width), [1, 1, width]),
    isInjected: graph.constant(new Float32Array(1), [1, 1, 1]),
  }
  const text = scope.at(prefixes.clip.slice(0, -1))
  const hidden = clipText(text, read, trainedText(model, tokens), { skip: 0 })
  const last = reduceSum(mul(hidden, reshape(graph.input('ends', [batch, window]), [batch, window, 1])), [1])
  const projection = scope.weight('text_projection', [embedding, width])
  return matmul(reshape(last, [batch, width]), transpose(projection, [1, 0]))
}
