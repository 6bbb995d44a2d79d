/**
 * A dimension of a shape: a number, or a polynomial of symbols with whole coefficients, such as `8·h` for a latent
 * whose height is known to be a multiple of eight. Convolutions and reshapes then divide exactly, so a graph with
 * open sizes has its shapes checked as strictly as one with numbers.
 */
export type Dim = number | SymbolicDim

/** A sum of monomials, of which at least one has a symbol. Terms are in order and unlike each other. */
interface SymbolicDim {
  readonly terms: readonly Monomial[]
}

/** `coefficient` × the product of `symbols`, which are sorted. */
export interface Monomial {
  readonly coefficient: number
  readonly symbols: readonly string[]
}

/** The shape of a value: one dimension per axis, row-major. */
export type Shape = readonly Dim[]

/** The dimension `coefficient · name`. */
export function symbol(name: string, coefficient = 1): Dim {
  return fromTerms([{ coefficient, symbols: [name] }])
}

/** a + b. */
export function addDims(a: Dim, b: Dim): Dim {
  return fromTerms([...termsOf(a), ...termsOf(b)])
}

/** The product of dimensions; 1 of none. */
export function mulDims(...dims: readonly Dim[]): Dim {
  return dims.reduce<Dim>(
    (product, dim) =>
      typeof product === 'number' && typeof dim === 'number'
        ? product * dim
        : fromTerms(
            termsOf(product).flatMap((p) =>
              termsOf(dim).map((q) => ({
                coefficient: p.coefficient * q.coefficient,
                symbols: [...p.symbols, ...q.symbols].sort(),
              })),
            ),
          ),
    1,
  )
}

/** dim / divisor where it is exact for every value of the symbols, otherwise undefined. */
export function divideDim(dim: Dim, divisor: number): Dim | undefined {
  const terms = termsOf(dim)
  if (terms.some(({ coefficient }) => coefficient % divisor !== 0)) return undefined
  return fromTerms(terms.map(({ coefficient, symbols }) => ({ coefficient: coefficient / divisor, symbols })))
}

/** Whether two dimensions are equal for every value of the symbols. */
export function sameDim(a: Dim, b: Dim): boolean {
  return a === b || dimText(a) === dimText(b)
}

/** Whether two shapes are equal for every value of the symbols. */
export function sameDims(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => sameDim(dim, b[axis]!))
}

/** A dimension as people write it: `77`, `8·h`, `64·h·w`, `h + 2`. */
export function dimText(dim: Dim): string {
  return termsOf(dim)
    .map(({ coefficient, symbols }) =>
      [...(coefficient === 1 && symbols.length > 0 ? [] : [coefficient]), ...symbols].join('·'),
    )
    .join(' + ')
}

/** A shape as people write it: `[b, 320, 8·h, 8·w]`. */
export function shapeText(shape: Shape): string {
  return `[${shape.map(dimText).join(', ')}]`
}

/** The monomials of a dimension; a number is one monomial without symbols. */
export function termsOf(dim: Dim): readonly Monomial[] {
  return typeof dim === 'number' ? [{ coefficient: dim, symbols: [] }] : dim.terms
}

function fromTerms(terms: readonly Monomial[]): Dim {
  const sums = new Map<string, Monomial>()
  for (const { coefficient, symbols } of terms) {
    const key = symbols.join('·')
    sums.set(key, { coefficient: (sums.get(key)?.coefficient ?? 0) + coefficient, symbols })
  }
  const unlike = [...sums.entries()]
    .filter(([, term]) => term.coefficient !== 0)
    .sort(([a], [b]) => (a === '' ? 1 : b === '' ? -1 : a < b ? -1 : 1))
    .map(([, term]) => term)
  if (unlike.length === 0) return 0
  const [only] = unlike
  return unlike.length === 1 && only!.symbols.length === 0 ? only!.coefficient : { terms: unlike }
}
