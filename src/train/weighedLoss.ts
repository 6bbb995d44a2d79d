import { mul, reduceMean, reduceSum, reshape } from '../graph/ops.ts'
import type { Value } from '../graph/value.ts'

/**
 * The errors of elements [B, C, H, W] → the outputs `errors` [B], means of the pictures, and `loss`, which is their sum
 * by the input `weights` [B]. With a mask, errors are multiplied by the input `mask` [B, 1, H, W] first.
 */
export function weighedLoss(each: Value, isMasked: boolean): Value {
  const { graph } = each
  const [batch, , height, width] = each.shape as [number, number, number, number]
  const masked = isMasked ? mul(each, graph.input('mask', [batch, 1, height, width])) : each
  const errors = reshape(reduceMean(masked, [1, 2, 3]), [batch])
  const loss = reshape(reduceSum(mul(errors, graph.input('weights', [batch])), [0]), [])
  graph.output('loss', loss)
  graph.output('errors', errors)
  return loss
}
