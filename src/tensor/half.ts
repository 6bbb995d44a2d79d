/*
 * The narrow float formats as bit patterns. IEEE 754 binary16 has 5 exponent bits (bias 15) and 10 of mantissa,
 * bfloat16 is the upper half of a float32, and the two 8-bit formats are those of Micikevicius et al. 2022,
 * "FP8 Formats for Deep Learning": E5M2 is the upper half of a binary16, E4M3 (bias 7) gives up its infinities.
 */

/** One float value from its fields; subnormal where the exponent field is 0. */
function value(sign: number, exponent: number, mantissa: number, bias: number, mantissaBits: number): number {
  const fraction = mantissa / 2 ** mantissaBits
  const magnitude = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias)
  return sign ? -magnitude : magnitude
}

// 65,536 values at two bytes of input each: a look-up is several times faster than taking the fields apart.
const f16Values = Float32Array.from({ length: 0x10000 }, (_, bits) => {
  const exponent = (bits >> 10) & 0x1f
  const mantissa = bits & 0x3ff
  if (exponent < 0x1f) return value(bits >> 15, exponent, mantissa, 15, 10)
  if (mantissa) return Number.NaN
  return bits >> 15 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
})

const f8e4m3Values = Float32Array.from({ length: 0x100 }, (_, bits) => {
  if ((bits & 0x7f) === 0x7f) return Number.NaN
  return value(bits >> 7, (bits >> 3) & 0xf, bits & 7, 7, 3)
})

/** binary16 bit patterns to the float32 values they stand for, exactly. */
export function fromF16(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = f16Values[bits[i]!]!
  return values
}

/** bfloat16 bit patterns to float32, exactly. */
export function fromBF16(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16
  return new Float32Array(wide.buffer)
}

/** 8-bit E4M3 (the variant without infinities, PyTorch's `float8_e4m3fn`) to float32, exactly. */
export function fromF8E4M3(bits: Uint8Array): Float32Array {
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = f8e4m3Values[bits[i]!]!
  return values
}

/** 8-bit E5M2 to float32, exactly. */
export function fromF8E5M2(bits: Uint8Array): Float32Array {
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = f16Values[bits[i]! << 8]!
  return values
}

/** float32 to the nearest binary16, ties to even; too large becomes infinite. */
export function toF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const narrow = new Uint16Array(values.length)
  const shifted = new Float32Array(1)
  const shiftedBits = new Uint32Array(shifted.buffer)
  for (let i = 0; i < values.length; i++) {
    const sign = (bits[i]! >>> 16) & 0x8000
    const magnitude = bits[i]! & 0x7fffffff
    if (magnitude >= 0x477ff000) {
      narrow[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00) // 65520 is the tie between 65504 and infinity
    } else if (magnitude >= 0x38800000) {
      const rebiased = magnitude - 0x38000000
      narrow[i] = sign | ((rebiased + 0xfff + ((rebiased >> 13) & 1)) >> 13)
    } else {
      // Next to 0.5 a float32 is as coarse as binary16 subnormals are, so the addition does the rounding.
      shifted[0] = Math.abs(values[i]!) + 0.5
      narrow[i] = sign | (shiftedBits[0]! - 0x3f000000)
    }
  }
  return narrow
}

/** float32 to the nearest bfloat16, ties to even. */
export function toBF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const narrow = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const wide = bits[i]!
    // A NaN whose mantissa lies in the lower half alone would be rounded to an infinity.
    narrow[i] = (wide & 0x7fffffff) > 0x7f800000 ? (wide >>> 16) | 0x40 : (wide + 0x7fff + ((wide >>> 16) & 1)) >>> 16
  }
  return narrow
}
