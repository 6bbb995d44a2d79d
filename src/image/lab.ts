import { type Picture, picture, type Rgb8 } from './picture.ts'

/**
 * CIE L*a*b* (D65) in 8 bits: L·255/100, a + 128, b + 128, by the fixed-point arithmetic OpenCV uses for bytes.
 * The rounding is reproduced because histogram matching, which runs on these bytes, moves whole levels.
 */
export type Lab8 = Picture<3>

/** Linear sRGB to XYZ, as OpenCV writes it, and the D65 white it is divided by. */
const rgbToXyz = [
  [0.412453, 0.35758, 0.180423],
  [0.212671, 0.71516, 0.072169],
  [0.019334, 0.119193, 0.950227],
] as const
const xyzToRgb = [
  [3.240479, -1.53715, -0.498535],
  [-0.969256, 1.875991, 0.041556],
  [0.055648, -0.204043, 1.057311],
] as const
const white = [0.950456, 1, 1.088754] as const

const toLinear = (v: number) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
const fromLinear = (v: number) => (v <= 0.0031308 ? v * 12.92 : 1.055 * v ** (1 / 2.4) - 0.055)

/** Linear light in eighths of a level. */
const lightScale = 255 * 8
const linearOf = Int32Array.from({ length: 256 }, (_, v) => Math.round(lightScale * toLinear(v / 255)))

/** Matrices in 4096ths. */
const matrixBits = 12
const toXyz = rgbToXyz.map((row, i) => row.map((v) => Math.round((v / white[i]!) * (1 << matrixBits))))
const toRgb = xyzToRgb.map((row) => row.map((v, i) => Math.round(v * white[i]! * (1 << matrixBits))))

function roundHalfEven(v: number): number {
  const up = Math.round(v)
  return up - v === 0.5 && up % 2 !== 0 ? up - 1 : up
}

/** CIE f(t), the cube root with its linear foot, in 32768ths, for t in `lightScale`ths up to 1.5. */
const cubeBits = 15
const cubeRootOf = Int32Array.from({ length: 256 * 8 * 1.5 }, (_, i) => {
  const t = i / lightScale
  const root = t < 0.008856 ? t * 7.787 + 16 / 116 : Math.fround(Math.cbrt(t))
  return roundHalfEven(root * (1 << cubeBits))
})

const scaled = (v: number, bits: number) => (v + (1 << (bits - 1))) >> bits
const clamp = (v: number, top: number) => (v < 0 ? 0 : v > top ? top : v)

/** sRGB to Lab. */
export function toLab(source: Rgb8): Lab8 {
  const result = picture(3, source.width, source.height)
  const lightnessScale = Math.floor((116 * 255 + 50) / 100)
  const lightnessShift = -Math.floor((16 * 255 * (1 << cubeBits) + 50) / 100)
  const middle = 128 << cubeBits
  for (let i = 0; i < source.data.length; i += 3) {
    const r = linearOf[source.data[i]!]!
    const g = linearOf[source.data[i + 1]!]!
    const b = linearOf[source.data[i + 2]!]!
    const [fx, fy, fz] = toXyz.map((row) => cubeRootOf[scaled(row[0]! * r + row[1]! * g + row[2]! * b, matrixBits)]!)
    result.data[i] = clamp(scaled(lightnessScale * fy! + lightnessShift, cubeBits), 255)
    result.data[i + 1] = clamp(scaled(500 * (fx! - fy!) + middle, cubeBits), 255)
    result.data[i + 2] = clamp(scaled(200 * (fy! - fz!) + middle, cubeBits), 255)
  }
  return result
}

/** Fractions of the way back, in 16384ths; gamma is looked up in 4096 steps. */
const one = 1 << 14
const gammaSteps = 4096
const gammaOf = Uint8Array.from({ length: gammaSteps }, (_, i) => Math.round(255 * fromLinear(i / gammaSteps)))

const lightnessOf = (level: number) => (level * 100) / 255
/** Y of a lightness level, and f(Y). */
const luminanceOf = Int32Array.from({ length: 256 }, (_, level) => {
  const l = lightnessOf(level)
  return Math.round((l <= 8 ? l / 903.3 : ((l + 16) / 116) ** 3) * one)
})
const luminanceRootOf = Int32Array.from({ length: 256 }, (_, level) => {
  const l = lightnessOf(level)
  return Math.round((l <= 8 ? (7.787 * l) / 903.3 + 16 / 116 : (l + 16) / 116) * one)
})

/** The inverse of f: a cube above 6/29, a line below. */
function cubed(f: number): number {
  if (f > (6 / 29) * one) return Math.floor((Math.floor((f * f) / one) * f) / one)
  return Math.trunc((f * 108) / 841) - Math.floor(Math.floor((one * 16 * 108) / 116) / 841)
}

/** Lab to sRGB; colours outside the gamut are clipped channel by channel. */
export function fromLab(source: Lab8): Rgb8 {
  const result = picture(3, source.width, source.height)
  // (a − 128)/500 and (b − 128)/200 as multiplications by 2ⁿ/500 and 2ⁿ/200.
  const middleA = Math.floor((128 * one) / 500)
  const middleB = Math.floor((128 * one) / 200) - 1
  for (let i = 0; i < source.data.length; i += 3) {
    const level = source.data[i]!
    const fy = luminanceRootOf[level]!
    const fx = fy + ((5 * source.data[i + 1]! * 53687 + (1 << 7)) >> 13) - middleA
    const fz = fy - ((source.data[i + 2]! * 41943 + (1 << 4)) >> 9) + middleB
    const xyz = [cubed(fx), luminanceOf[level]!, cubed(fz)] as const
    for (let c = 0; c < 3; c++) {
      const row = toRgb[c]!
      const light = scaled(row[0]! * xyz[0] + row[1]! * xyz[1] + row[2]! * xyz[2], 14)
      result.data[i + c] = gammaOf[clamp(light, gammaSteps - 1)]!
    }
  }
  return result
}
