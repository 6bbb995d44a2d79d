import { StudioError } from '../errors.ts'
import {
  add,
  constant,
  div,
  expand,
  instanceNormalization,
  layerNormalization,
  mul,
  reduceMean,
  reduceSum,
  reshape,
  sqrt,
  sub,
} from '../graph/ops.ts'
import { elements, numberAt, type Value } from '../graph/value.ts'
import type { Scope } from './scope.ts'

/** Layer normalisation over the last axis (Ba et al. 2016). Weights `weight` and `bias` [features]. */
export function layerNorm(scope: Scope, x: Value, epsilon = 1e-5): Value {
  const features = [numberAt(x, -1)]
  return layerNormalization(x, scope.weight('weight', features), scope.weight('bias', features), epsilon)
}

/**
 * Group normalisation (Wu and He 2018): mean and variance over each group of channels and all pixels.
 * x [B, C, H, W]; weights `weight` and `bias` [C].
 */
export function groupNorm(scope: Scope, x: Value, { groups, epsilon }: { groups: number; epsilon: number }): Value {
  const channels = numberAt(x, 1)
  if (channels % groups !== 0) {
    const problem = `${channels} channels, expected a multiple of ${groups}`
    throw new StudioError('wrong-architecture', `${scope.path}: ${problem}`, { field: scope.path })
  }
  const [batch, , height, width] = x.shape

  // A group is what instance normalisation calls a channel, once its channels lie along one axis.
  const ones = constant(x.graph, new Float32Array(groups).fill(1), [groups])
  const zeros = constant(x.graph, new Float32Array(groups), [groups])
  const inGroup = elements([channels / groups, height!, width!])
  const normal = reshape(instanceNormalization(reshape(x, [batch!, groups, inGroup]), ones, zeros, epsilon), x.shape)

  const perChannel = (vector: Value) => reshape(vector, [channels, 1, 1])
  const weight = scope.weight('weight', [channels])
  const scaled = mul(normal, perChannel(weight))
  const bias = scope.weight('bias', [channels])
  const y = add(scaled, perChannel(bias))
  const vjp = (dy: Value, kept: (value: Value) => Value) =>
    groupNormGradients(dy, { x: kept(x), normal: kept(normal), weight: kept(weight) }, { groups, epsilon })
  x.graph.derivatives.set(y, { inputs: [x, weight, bias], vjp })
  return y
}

/**
 * With n = (x − μ)/σ and g = dy·weight: dx = (g − mean g − n·mean(g·n))/σ over each group. All means follow from the
 * sums of dy and dy·n per channel, which are the affine gradients too; and as mean(x·n) = σ − ε/σ, no other pass over x
 * is needed to know σ.
 */
function groupNormGradients(
  dy: Value,
  { x, normal, weight }: { readonly x: Value; readonly normal: Value; readonly weight: Value },
  { groups, epsilon }: { readonly groups: number; readonly epsilon: number },
): readonly Value[] {
  const channels = numberAt(x, 1)
  const batch = x.shape[0]!
  const perGroup = [batch, groups, channels / groups, 1]
  const inGroups = (sums: Value) => reshape(sums, perGroup)
  const spread = (values: Value) => reshape(expand(values, perGroup), [batch, channels, 1, 1])
  /** Mean over a group from the means over its channels' pixels. */
  const mean = (perChannel: Value) => reduceMean(perChannel, [2])

  const sumDy = reduceSum(dy, [2, 3])
  const sumDyNormal = reduceSum(mul(dy, normal), [2, 3])
  const pixels = pixelCount(x)
  const gain = reshape(weight, [1, groups, channels / groups, 1])
  const meanG = mean(div(mul(inGroups(sumDy), gain), pixels))
  const meanGNormal = mean(div(mul(inGroups(sumDyNormal), gain), pixels))
  const covariance = mean(inGroups(reduceMean(mul(x, normal), [2, 3])))
  const deviation = mul(add(covariance, sqrt(add(mul(covariance, covariance), 4 * epsilon))), 0.5)

  const direct = mul(dy, reshape(div(gain, deviation), [batch, channels, 1, 1]))
  const along = mul(normal, spread(div(meanGNormal, deviation)))
  const dx = sub(sub(direct, along), spread(div(meanG, deviation)))
  const overBatch = (sums: Value) => reshape(reduceSum(sums, [0]), [channels])
  return [dx, overBatch(sumDyNormal), overBatch(sumDy)]
}

/** Height times width as a scalar, be they open. */
function pixelCount(x: Value): Value {
  const [, , height, width] = x.shape
  const count = elements([height!, width!])
  if (typeof count === 'number') return constant(x.graph, count)
  return reshape(reduceSum(expand(constant(x.graph, 1), [height!, width!]), [0, 1]), [])
}
