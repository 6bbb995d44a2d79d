import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { toL } from '../../image/channels.ts'
import { corners } from '../../image/corners.ts'
import { canny, laplacianVariance } from '../../image/edges.ts'
import { filled, type L8, picture, type Rgb8 } from '../../image/picture.ts'
import { blockiness, colourCast, entropyOf, histogramOf, meanSaturation, measure, percentile } from './measures.ts'
import { hashDistance, perceptualHash } from './perceptualHash.ts'

interface Recorded {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly rgb: string
  readonly phash: string
  readonly laplacianVariance: number
  readonly canny: string
  readonly corners: readonly (readonly [number, number])[]
  readonly entropy: number
  readonly percentiles: readonly number[]
  readonly lab: readonly [number, number, number]
  readonly saturation: number
}

const recorded = JSON.parse(
  readFileSync(new URL('./goldens/quality.json', import.meta.url), 'utf8'),
) as readonly Recorded[]
const pictureOf = ({ width, height, rgb }: Recorded): Rgb8 =>
  picture(3, width, height, new Uint8Array(Buffer.from(rgb, 'base64')))
const named = recorded.map((each) => [each.name, each] as const)

test.each(named)('the perceptual hash is ImageHash’s: %s', (_, each) => {
  expect(perceptualHash(pictureOf(each)).toString(16).padStart(16, '0')).toBe(each.phash)
})

test.each(named)('the variance of the Laplacian is OpenCV’s: %s', (_, each) => {
  expect(laplacianVariance(toL(pictureOf(each)))).toBeCloseTo(each.laplacianVariance, 6)
})

test.each(named)('edges are OpenCV’s, pixel by pixel: %s', (_, each) => {
  const bits = Buffer.from(each.canny, 'base64')
  const { data } = canny(toL(pictureOf(each)), 100, 200)
  const wrong = [...data].filter((value, i) => (value === 255) !== (((bits[i >> 3]! >> (7 - (i & 7))) & 1) === 1))
  expect(wrong).toEqual([])
})

test.each(named)('corners are OpenCV’s in OpenCV’s order: %s', (_, each) => {
  const distance = Math.min(each.width, each.height) * 0.06
  const found = corners(toL(pictureOf(each)), { most: 100, quality: 0.04, distance })
  expect(found.map(({ x, y }) => [x, y])).toEqual(each.corners)
})

test.each(named)('entropy, percentiles, colour cast and saturation are numpy’s and OpenCV’s: %s', (_, each) => {
  const rgb = pictureOf(each)
  const histogram = histogramOf(toL(rgb))
  expect(entropyOf(histogram)).toBeCloseTo(each.entropy, 9)
  for (const [i, percent] of [1, 5, 50, 95, 99].entries()) {
    expect(Math.abs(percentile(histogram, percent) - each.percentiles[i]!)).toBeLessThanOrEqual(1)
  }
  expect(colourCast(rgb)).toBeCloseTo(Math.hypot(each.lab[1], each.lab[2]), 1)
  expect(Math.abs(meanSaturation(rgb) - each.saturation)).toBeLessThan(0.5)
})

test('a smaller copy and a JPEG copy lie within a few bits, another picture does not', () => {
  const [sharp, , jpeg, half] = recorded.map((each) => perceptualHash(pictureOf(each)))
  expect(hashDistance(sharp!, jpeg!)).toBeLessThanOrEqual(4)
  expect(hashDistance(sharp!, half!)).toBeLessThanOrEqual(4)
  expect(hashDistance(0n, 2n ** 64n - 1n)).toBe(64)
  const stripes = picture(1, 64, 64)
  for (let i = 0; i < stripes.data.length; i++) stripes.data[i] = (i >> 3) % 2 === 0 ? 0 : 255
  expect(hashDistance(sharp!, perceptualHash(stripes))).toBeGreaterThan(10)
})

test('blocks of a strong JPEG compression show, an uncompressed picture has none', () => {
  const [sharp, , jpeg] = recorded
  expect(blockiness(toL(pictureOf(sharp!)))).toBeCloseTo(1, 0)
  expect(blockiness(toL(pictureOf(jpeg!)))).toBeGreaterThan(1.3)
  // Steps of 10 at every eighth pixel of a flat picture, and steps of 1 elsewhere.
  const ramp = picture(1, 64, 1)
  for (let x = 1; x < 64; x++) ramp.data[x] = ramp.data[x - 1]! + (x % 8 === 0 ? 10 : 1)
  expect(blockiness(ramp)).toBe(10)
})

test('light behind the subject, clipping and a busy background are measured where they are', () => {
  const inner: L8 = filled(1, 100, 100, [255])
  for (let y = 20; y < 80; y++) inner.data.fill(40, y * 100 + 20, y * 100 + 80)
  const lit = measure(inner)
  expect(lit.backLight).toBe(215)
  expect(lit.clipped.white).toBeCloseTo(0.64, 9)
  expect(lit.clipped.black).toBe(0)

  const stripes = filled(1, 256, 256, [128])
  for (let y = 0; y < 256; y++)
    for (let x = 0; x < 40; x++) stripes.data[y * 256 + x] = Math.floor(x / 4) % 2 === 0 ? 20 : 220
  const all = measure(stripes, [])
  const masked = measure(stripes, [{ left: 0, top: 0, right: 44, bottom: 256 }])
  expect(all.backgroundEdges).toBeGreaterThan(8 / 256)
  expect(masked.backgroundEdges).toBe(0)
})
