import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDims, type Dim, dimText, divideDim, mulDims, sameDim, shapeText, symbol, termsOf } from './dim.ts'

const sizes = { a: 3, b: 5, c: 7 }
const evaluated = (dim: Dim): number =>
  termsOf(dim).reduce(
    (sum, { coefficient, symbols }) =>
      sum + symbols.reduce((product, name) => product * sizes[name as keyof typeof sizes], coefficient),
    0,
  )

const dims = fc.letrec<{ dim: Dim }>((tie) => ({
  dim: fc.oneof(
    { maxDepth: 4 },
    fc.integer({ min: -4, max: 9 }),
    fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 4 })).map(([name, n]) => symbol(name, n)),
    fc.tuple(tie('dim'), tie('dim')).map(([p, q]) => addDims(p, q)),
    fc.tuple(tie('dim'), tie('dim')).map(([p, q]) => mulDims(p, q)),
  ),
})).dim

describe('dimensions are polynomials with whole coefficients', () => {
  test('whose sums and products have the sums and products of their values', () => {
    fc.assert(
      fc.property(dims, dims, (p, q) => {
        expect(evaluated(addDims(p, q)) - (evaluated(p) + evaluated(q))).toBe(0)
        expect(evaluated(mulDims(p, q)) - evaluated(p) * evaluated(q)).toBe(0)
      }),
    )
  })

  test('which are the same however they were reached', () => {
    fc.assert(
      fc.property(dims, dims, dims, (p, q, r) => {
        expect(sameDim(mulDims(p, addDims(q, r)), addDims(mulDims(r, p), mulDims(q, p)))).toBe(true)
      }),
    )
  })

  test('and which divide only if every coefficient does', () => {
    fc.assert(
      fc.property(dims, fc.integer({ min: 1, max: 6 }), (p, divisor) => {
        const quotient = divideDim(p, divisor)
        if (quotient === undefined) expect(termsOf(p).some((term) => term.coefficient % divisor !== 0)).toBe(true)
        else expect(sameDim(mulDims(quotient, divisor), p)).toBe(true)
        expect(sameDim(divideDim(mulDims(p, divisor), divisor) ?? Number.NaN, p)).toBe(true)
      }),
    )
  })

  test('and read as people write them', () => {
    const height = symbol('h', 8)
    expect(dimText(addDims(mulDims(symbol('w'), height), -2))).toBe('8·h·w + -2')
    expect(shapeText([symbol('batch'), 4, height, mulDims(height, 0)])).toBe('[batch, 4, 8·h, 0]')
  })
})
