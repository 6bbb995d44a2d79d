import { StudioError } from '../errors.ts'
import { add, constant, instanceNormalization, layerNormalization, mul, reshape } from '../graph/ops.ts'
import { elements, numberAt, type Value } from '../graph/value.ts'
import type { Scope } from './scope.ts'

/** Layer normalisation over the last axis (Ba et al. 2016). Weights `weight` and `bias` [features]. */
export function layerNorm(scope: Scope, x: Value): Value {
  const features = [numberAt(x, -1)]
  return layerNormalization(x, scope.weight('weight', features), scope.weight('bias', features), 1e-5)
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

  const perChannel = (name: string) => reshape(scope.weight(name, [channels]), [channels, 1, 1])
  return add(mul(normal, perChannel('weight')), perChannel('bias'))
}
