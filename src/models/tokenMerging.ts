import {
  argMax,
  concat,
  constant,
  div,
  expand,
  gather,
  gatherElements,
  integers,
  matmul,
  mul,
  reduceSum,
  scatterElements,
  slice,
  sqrt,
  topK,
  transpose,
} from '../graph/ops.ts'
import { dimAt, type Value } from '../graph/value.ts'

/** Fewer tokens for a layer that works on all of them, and the way back. */
export interface TokenMerging {
  /** [B, tokens, C] → [B, tokens − merged, C]. */
  readonly merge: (x: Value) => Value
  /** The inverse, with every merged token a copy of the one that took it in. */
  readonly unmerge: (x: Value) => Value
}

/**
 * Token merging for diffusion (Bolya and Hoffman 2023): in each 2×2 square of a picture the first token is a
 * destination, and of the other tokens the `ratio · height · width` most like some destination are averaged into it.
 * `x` [B, height · width, C] says what is alike.
 */
export function tokenMerging(
  x: Value,
  { height, width }: { height: number; width: number },
  ratio: number,
): TokenMerging {
  const tokens = Array.from({ length: height * width }, (_, i) => i)
  const isDestination = (token: number) => {
    const [row, column] = [Math.floor(token / width), token % width]
    // The last row or column of an odd size has no square.
    return row % 2 === 0 && column % 2 === 0 && row + 1 < height && column + 1 < width
  }
  const destinations = tokens.filter(isDestination)
  const sources = tokens.filter((token) => !isDestination(token))
  const merged = Math.min(sources.length, Math.floor(tokens.length * ratio))
  // A strip of one row has no squares, so nothing to merge into.
  if (merged === 0 || destinations.length === 0) return { merge: (y) => y, unmerge: (y) => y }
  const kept = sources.length - merged
  const { graph } = x
  const pick = (y: Value, places: readonly number[]) => gather(y, integers(graph, places), 1)

  const like = matmul(unit(pick(x, sources)), transpose(unit(pick(x, destinations)), [0, 2, 1]))
  const nearest = argMax(like, 2) // [B, sources, 1]
  const order = topK(gatherElements(like, nearest, 2), 1, sources.length).indices
  const mergedAt = slice(order, 1, 0, merged)
  const keptAt = slice(order, 1, merged)
  const into = gatherElements(nearest, mergedAt, 1)

  const taken = (y: Value, places: Value) => gatherElements(y, wide(places, y), 1)
  const addInto = (y: Value, parts: Value) => scatterElements(y, wide(into, y), parts, { axis: 1, reduction: 'add' })
  const ones = (count: number) => expand(constant(graph, 1), [dimAt(x, 0), count, 1])
  const sizes = addInto(ones(destinations.length), ones(merged))

  return {
    merge(y) {
      const from = pick(y, sources)
      const sums = addInto(pick(y, destinations), taken(from, mergedAt))
      return concat([taken(from, keptAt), div(sums, sizes)], 1)
    },
    unmerge(y) {
      const to = slice(y, 1, kept)
      const inOrder = concat([taken(to, into), slice(y, 1, 0, kept)], 1)
      const from = scatterElements(inOrder, wide(order, y), inOrder, { axis: 1, reduction: 'none' })
      const places = new Map([...sources, ...destinations].map((token, place) => [token, place]))
      return pick(
        concat([from, to], 1),
        tokens.map((token) => places.get(token)!),
      )
    },
  }
}

/** Each token's features divided by their length. */
function unit(x: Value): Value {
  return div(x, sqrt(reduceSum(mul(x, x), [2])))
}

/** Places [B, n, 1] repeated over the features of y. */
function wide(places: Value, y: Value): Value {
  return expand(places, [dimAt(places, 0), dimAt(places, 1), dimAt(y, 2)])
}
