import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromBF16, fromF8E4M3, fromF8E5M2, fromF16, toBF16, toF16 } from './half.ts'

const all16 = Uint16Array.from({ length: 0x10000 }, (_, i) => i)
const all8 = Uint8Array.from({ length: 0x100 }, (_, i) => i)

/** The value a pattern of the IEEE kind stands for, spelled out in binary: an independent reading of the definition. */
function meaning(pattern: string, exponentBits: number): number {
  const sign = pattern[0] === '1' ? -1 : 1
  const exponent = pattern.slice(1, 1 + exponentBits)
  const mantissa = pattern.slice(1 + exponentBits)
  const bias = 2 ** (exponentBits - 1) - 1
  if (!exponent.includes('0')) return mantissa.includes('1') ? Number.NaN : sign * Number.POSITIVE_INFINITY
  const digits = exponent.includes('1') ? `1${mantissa}` : `0${mantissa}`
  const power = Math.max(Number.parseInt(exponent, 2), 1) - bias - mantissa.length
  return sign * Number.parseInt(digits, 2) * 2 ** power
}

const binary = (bits: number, width: number) => bits.toString(2).padStart(width, '0')

function expectSame(found: Float32Array, expected: (bits: number) => number) {
  for (let bits = 0; bits < found.length; bits++) {
    const want = expected(bits)
    if (!Object.is(found[bits], want)) expect({ bits, value: found[bits] }).toEqual({ bits, value: want })
  }
}

test('every binary16 pattern has the value of the definition', () => {
  expectSame(fromF16(all16), (bits) => meaning(binary(bits, 16), 5))
})

test('every bfloat16 pattern has the value of the definition', () => {
  expectSame(fromBF16(all16), (bits) => meaning(binary(bits, 16), 8))
})

test('every E5M2 pattern has the value of the definition', () => {
  expectSame(fromF8E5M2(all8), (bits) => meaning(binary(bits, 8), 5))
})

test('E4M3 has no infinity, two NaNs and 448 as its largest value', () => {
  const values = fromF8E4M3(all8)
  expectSame(values, (bits) => {
    if ((bits & 0x7f) === 0x7f) return Number.NaN
    // All-ones exponents are ordinary numbers here, so the IEEE reading above does not serve.
    const exponent = (bits >> 3) & 0xf
    return (bits & 0x80 ? -1 : 1) * (exponent ? 8 + (bits & 7) : bits & 7) * 2 ** (Math.max(exponent, 1) - 7 - 3)
  })
  expect(Math.max(...values.filter((v) => !Number.isNaN(v)))).toBe(448)
})

test('every finite or infinite pattern survives the way to float32 and back', () => {
  for (const [from, to] of [
    [fromF16, toF16],
    [fromBF16, toBF16],
  ] as const) {
    const values = from(all16)
    const back = to(values)
    const changed = all16.filter((bits, i) => back[i] !== bits && !Number.isNaN(values[i]!))
    expect(changed).toHaveLength(0)
    const lostNaNs = from(back).filter((v, i) => Number.isNaN(v) !== Number.isNaN(values[i]!))
    expect(lostNaNs).toHaveLength(0)
  }
})

test.each([
  ['binary16', fromF16, toF16, 0x7c00],
  ['bfloat16', fromBF16, toBF16, 0x7f80],
] as const)('between two neighbours %s rounds to the nearer, and to the even one at the middle', (_, from, to, inf) => {
  const values = from(all16)
  const probe = (value: number) => to(Float32Array.of(value))[0]!
  const bits = new Uint32Array(1)
  const asFloat = new Float32Array(bits.buffer)
  const step = (value: number, by: number) => {
    asFloat[0] = value
    bits[0] = bits[0]! + by
    return asFloat[0]!
  }
  for (let low = 0; low + 1 < inf; low++) {
    const middle = (values[low]! + values[low + 1]!) / 2
    if (Math.fround(middle) !== middle) continue // the middle of two bfloat16 subnormals of the lowest kind
    const even = low % 2 === 0 ? low : low + 1
    const found = [probe(step(middle, -1)), probe(middle), probe(step(middle, 1)), probe(-middle)]
    if (found[0] !== low || found[1] !== even || found[2] !== low + 1 || found[3] !== (even | 0x8000))
      expect({ low, found }).toEqual({ low, found: [low, even, low + 1, even | 0x8000] })
  }
})

test('what is too large becomes infinite exactly from the middle to the next power of two', () => {
  expect([...toF16(Float32Array.of(65504, 65519.99, 65520, -65520, 1e38))]).toEqual([
    0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7c00,
  ])
  expect([...toBF16(Float32Array.of(3.4e38, -3.4028234e38))]).toEqual([0x7f80, 0xff80])
})

test('rounding any float32 to binary16 is never further off than another pattern would be', () => {
  const finite = fromF16(all16.subarray(0, 0x7c00))
  fc.assert(
    fc.property(fc.float({ min: Math.fround(-65519), max: Math.fround(65519), noNaN: true }), (value) => {
      const bits = toF16(Float32Array.of(value))[0]! & 0x7fff
      const distance = Math.abs(Math.abs(value) - finite[bits]!)
      for (const neighbour of [bits - 1, bits + 1]) {
        const other = finite[neighbour]
        if (other !== undefined) expect(Math.abs(Math.abs(value) - other)).toBeGreaterThanOrEqual(distance)
      }
    }),
  )
})
