import { add, reduceMean, reshape } from '../graph/ops.ts'
import { numberAt, type Value } from '../graph/value.ts'
import { silu } from '../nn/activation.ts'
import { conv2d, linear } from '../nn/linear.ts'
import { groupNorm } from '../nn/norm.ts'
import type { Scope } from '../nn/scope.ts'

/** A picture encoder's numbers. */
export interface PictureTowerConfig {
  /** Side of the pictures it sees, in pixels. */
  readonly size: number
  readonly channels: number
  /** Level i has `channels · mult[i]` channels and half the side of the level before; the first one half of `size`. */
  readonly mult: readonly number[]
  readonly normGroups: number
}

const epsilon = 1e-5

/** Pictures [B, 3, size, size] in −1…1 → vectors [B, width]: residual convolutions, then the mean over all pixels. */
export function pictureTower(scope: Scope, pictures: Value, config: PictureTowerConfig, width: number): Value {
  const { channels, mult, normGroups: groups } = config
  let h = pictures
  for (const [level, factor] of mult.entries()) {
    const at = scope.at('levels').at(level)
    h = conv2d(at.at('down'), h, { out: channels * factor, kernel: 3, stride: 2 })
    h = residual(at, h, groups)
  }
  h = silu(groupNorm(scope.at('norm'), h, { groups, epsilon }), scope.emit)
  const mean = reshape(reduceMean(h, [2, 3]), [h.shape[0]!, numberAt(h, 1)])
  return linear(scope.at('projection'), mean, { out: width })
}

function residual(scope: Scope, x: Value, groups: number): Value {
  const out = numberAt(x, 1)
  const inner = silu(groupNorm(scope.at('norm1'), x, { groups, epsilon }), scope.emit)
  const h = conv2d(scope.at('conv1'), inner, { out, kernel: 3 })
  const outer = silu(groupNorm(scope.at('norm2'), h, { groups, epsilon }), scope.emit)
  return add(x, conv2d(scope.at('conv2'), outer, { out, kernel: 3 }))
}
