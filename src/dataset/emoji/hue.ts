import type { Rgba8 } from '../../image/picture.ts'

/** Names of hues, each up to so many degrees. */
const hues: readonly (readonly [until: number, word: string])[] = [
  [15, 'red'],
  [40, 'orange'],
  [68, 'yellow'],
  [160, 'green'],
  [195, 'teal'],
  [255, 'blue'],
  [290, 'purple'],
  [345, 'pink'],
  [360, 'red'],
]

/** What people call a hue, in degrees from red over green to blue. */
export function hueWord(degrees: number): string {
  const hue = ((degrees % 360) + 360) % 360
  return hues.find(([until]) => hue < until)![1]
}

/** A hue that a word stands for without doubt. */
export const typicalHues: ReadonlyMap<string, number> = new Map([
  ['red', 0],
  ['orange', 28],
  ['yellow', 52],
  ['green', 115],
  ['teal', 178],
  ['blue', 222],
  ['purple', 273],
  ['pink', 322],
])

const binDegrees = 10
const bins = 360 / binDegrees
/** Bins on either side of a hue that count as the same colour. */
const reach = 2

/** The hue of most of what is coloured in a drawing; undefined for grey and for motley ones. */
export function dominantHue({ data }: Rgba8): number | undefined {
  const weights = new Float64Array(bins)
  let opaque = 0
  let coloured = 0
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3]! < 128) continue
    opaque++
    const [red, green, blue] = [data[i]!, data[i + 1]!, data[i + 2]!]
    const value = Math.max(red, green, blue)
    const chroma = value - Math.min(red, green, blue)
    if (value < 64 || chroma < 0.3 * value) continue
    coloured++
    weights[Math.floor(hueOf(red, green, blue, value, chroma) / binDegrees) % bins]!++
  }
  if (coloured < 0.35 * opaque || coloured === 0) return undefined
  const around = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach)
  const weightAt = (bin: number) => weights[(bin + bins) % bins]!
  const sums = Array.from({ length: bins }, (_, bin) => around.reduce((sum, step) => sum + weightAt(bin + step), 0))
  const most = Math.max(...sums)
  if (most < 0.7 * coloured) return undefined
  const best = sums.indexOf(most)
  const centre = around.reduce((sum, step) => sum + step * weightAt(best + step), best * most) / most
  return ((centre + 0.5 + bins) % bins) * binDegrees
}

/** Every pixel's hue turned by degrees; value and saturation stay. */
export function hueTurned(source: Rgba8, degrees: number): Rgba8 {
  const data = source.data.slice()
  for (let i = 0; i < data.length; i += 4) {
    const [red, green, blue] = [data[i]!, data[i + 1]!, data[i + 2]!]
    const value = Math.max(red, green, blue)
    const chroma = value - Math.min(red, green, blue)
    if (chroma === 0 || data[i + 3] === 0) continue
    const sector = ((hueOf(red, green, blue, value, chroma) + degrees + 720) % 360) / 60
    // Red is full within a sector of its hue, and falls to nothing over the next; green and blue follow by a third.
    for (const [c, shift] of [5, 3, 1].entries()) {
      const k = (shift + sector) % 6
      data[i + c] = Math.round(value - chroma * Math.max(0, Math.min(k, 4 - k, 1)))
    }
  }
  return { ...source, data }
}

function hueOf(red: number, green: number, blue: number, value: number, chroma: number): number {
  if (value === red) return ((60 * (green - blue)) / chroma + 360) % 360
  return value === green ? (60 * (blue - red)) / chroma + 120 : (60 * (red - green)) / chroma + 240
}
