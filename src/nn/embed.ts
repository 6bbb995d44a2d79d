import { cast, concat, constant, cos, gather, integers, less, mul, reshape, sin, where } from '../graph/ops.ts'
import type { Value } from '../graph/value.ts'
import type { Scope } from './scope.ts'

/** Rows of the table `name` [rows, width] by number: indices [...] int64 → [..., width]. */
export function embedding(scope: Scope, name: string, indices: Value, [rows, width]: readonly [number, number]): Value {
  const sparse = scope.sparse(name, [rows, width])
  if (!sparse) return cast(gather(scope.stored(name, [rows, width]), indices, 0), 'float32')
  // A place of −1 reads the last stored row, and is then zero.
  const { graph } = indices
  const place = gather(integers(graph, Array.from(sparse.places)), indices, 0)
  const isZero = less(reshape(place, [...place.shape, 1]), integers(graph, [0], []))
  return where(isZero, constant(graph, 0), cast(gather(sparse.stored, place, 0), 'float32'))
}

/**
 * Sinusoids of a timestep at `width / 2` frequencies from 1 down to almost 1/10000, cosines first (Ho et al. 2020):
 * timesteps [B] → [B, width].
 */
export function timestepEmbedding(timesteps: Value, width: number): Value {
  const half = width / 2
  // Rounded after each step as float32 arithmetic does: at t = 999 one unit in the last place is 6e-5 radians.
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    Math.exp(Math.fround(Math.fround(Math.fround(-Math.log(10000)) * i) / half)),
  )
  const angles = mul(reshape(timesteps, [timesteps.shape[0]!, 1]), constant(timesteps.graph, frequencies, [1, half]))
  return concat([cos(angles), sin(angles)], 1)
}
