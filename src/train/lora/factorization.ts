/**
 * Splits a dimension for a Kronecker product: the divisor pair whose smaller one is the largest that does not exceed
 * the factor, or with factor −1 the pair nearest to a square. The smaller one comes first.
 */
export function factorization(dimension: number, factor: number): readonly [number, number] {
  if (factor > 0 && dimension % factor === 0) {
    const other = dimension / factor
    return factor <= other ? [factor, other] : [other, factor]
  }
  const limit = factor === -1 ? dimension : factor
  let [m, n] = [1, dimension]
  let length = m + n
  while (m < n) {
    let next = m + 1
    while (dimension % next !== 0) next++
    const other = dimension / next
    if (next + other > length || next > limit) break
    ;[m, n] = [next, other]
    length = m + n
  }
  return m <= n ? [m, n] : [n, m]
}
