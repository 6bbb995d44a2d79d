import {
  abs,
  add,
  constant,
  div,
  exp,
  log,
  matmul,
  mul,
  neg,
  reduceMean,
  reduceSum,
  relu,
  reshape,
  sqrt,
  sub,
  topK,
  transpose,
} from '../../graph/ops.ts'
import { numberAt, type Value } from '../../graph/value.ts'

/** Pictures and captions as vectors [B, D], of which row i belong together. */
export interface Pairs {
  readonly pictures: Value
  readonly texts: Value
  /** Logarithm of the factor on cosines, a scalar that is trained too. */
  readonly logScale: Value
}

/** CLIP's loss (Radford et al. 2021): each picture must find its caption among the batch's, and the reverse. */
export function clipLoss(pairs: Pairs): Value {
  const scores = similarities(pairs)
  return mul(add(crossEntropy(scores), crossEntropy(transpose(scores, [1, 0]))), 0.5)
}

/** SigLIP's loss (Zhai et al. 2023): every pair is judged alone, −log σ(±(score + bias)), summed over captions. */
export function siglipLoss(pairs: Pairs & { readonly bias: Value }): Value {
  const scores = add(similarities(pairs), pairs.bias)
  const size = numberAt(scores, 0)
  const signs = Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : -1))
  const signed = mul(scores, constant(scores.graph, signs, [size, size]))
  // −log σ(z) = max(−z, 0) + log(1 + e^−|z|), which neither overflows nor loses small numbers.
  const losses = add(relu(neg(signed)), log(add(exp(neg(abs(signed))), 1)))
  return reshape(mul(reduceSum(losses, [0, 1]), 1 / size), [])
}

/** Cosines of all pictures (rows) with all texts (columns), times the scale. */
function similarities({ pictures, texts, logScale }: Pairs): Value {
  return mul(matmul(normalised(pictures), transpose(normalised(texts), [1, 0])), exp(logScale))
}

function normalised(x: Value): Value {
  return div(x, sqrt(add(reduceSum(mul(x, x), [1]), 1e-12)))
}

/** Mean over rows of −log of the share of e^score that the diagonal has. */
function crossEntropy(scores: Value): Value {
  const size = numberAt(scores, 0)
  const diagonal = Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0))
  const right = reduceSum(mul(scores, constant(scores.graph, diagonal, [size, size])), [1])
  const largest = topK(scores, 1, 1).values
  const total = add(log(reduceSum(exp(sub(scores, largest)), [1])), largest)
  return reshape(reduceMean(sub(total, right), [0, 1]), [])
}
