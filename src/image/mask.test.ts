import fc from 'fast-check'
import { expect, test } from 'vitest'
import { boundsOf, cropRegion, latentMask, maskOf, prepareMask } from './mask.ts'
import { type Box, filled, type L8, picture } from './picture.ts'

/** White boxes on black. */
function boxes(width: number, height: number, ...white: readonly Box[]): L8 {
  const mask = picture(1, width, height)
  for (const { left, top, right, bottom } of white) {
    for (let y = top; y < bottom; y++) mask.data.fill(255, y * width + left, y * width + right)
  }
  return mask
}
const box = (left: number, top: number, right: number, bottom: number): Box => ({ left, top, right, bottom })

test('a mask is the grey of an opaque picture and the transparency of another', () => {
  expect(maskOf(filled(3, 2, 1, [90, 90, 90]), { round: true }).data).toEqual(Uint8Array.of(90, 90))
  expect(maskOf(filled(4, 2, 1, [90, 90, 90, 255]), { round: true }).data).toEqual(Uint8Array.of(90, 90))
  const drawn = picture(4, 3, 1, Uint8Array.of(9, 9, 9, 128, 9, 9, 9, 129, 9, 9, 9, 0))
  expect(maskOf(drawn, { round: true }).data).toEqual(Uint8Array.of(0, 255, 0))
  expect(maskOf(drawn, { round: false }).data).toEqual(Uint8Array.of(128, 129, 0))
})

test('bounds hold everything that is not black', () => {
  expect(boundsOf(boxes(20, 10, box(3, 4, 5, 6), box(10, 8, 12, 9)))).toEqual(box(3, 4, 12, 9))
  expect(boundsOf(picture(1, 5, 5))).toBeUndefined()
})

test('a crop takes the padding and grows to the wanted proportions about its middle', () => {
  const mask = boxes(256, 256, box(100, 100, 140, 120))
  expect(cropRegion(mask, 0, 128, 128)).toEqual(box(100, 90, 140, 130))
  expect(cropRegion(mask, 8, 128, 128)).toEqual(box(92, 82, 148, 138))
  expect(cropRegion(mask, 0, 512, 128)).toEqual(box(80, 100, 160, 120))
})

test('a crop at the edge is shifted inside, and cut where the picture ends', () => {
  expect(cropRegion(boxes(256, 256, box(100, 0, 140, 10)), 0, 64, 64)).toEqual(box(100, 0, 140, 40))
  expect(cropRegion(boxes(256, 256, box(100, 250, 140, 256)), 0, 64, 64)).toEqual(box(100, 216, 140, 256))
  expect(cropRegion(boxes(100, 20, box(10, 5, 60, 15)), 0, 64, 64)).toEqual(box(10, 0, 60, 20))
})

test('a crop always lies inside the picture and holds the mask', () => {
  const side = fc.integer({ min: 1, max: 60 })
  fc.assert(
    fc.property(
      side,
      side,
      fc.nat(80),
      side,
      side,
      fc.array(fc.nat(), { minLength: 1, maxLength: 5 }),
      (w, h, ...rest) => {
        const [padding, width, height, points] = rest
        const mask = picture(1, w, h)
        for (const point of points) mask.data[point % mask.data.length] = 255
        const region = cropRegion(mask, padding, width, height)!
        const bounds = boundsOf(mask)!
        expect(region.left).toBeGreaterThanOrEqual(0)
        expect(region.top).toBeGreaterThanOrEqual(0)
        expect(region.left).toBeLessThanOrEqual(bounds.left)
        expect(region.top).toBeLessThanOrEqual(bounds.top)
        expect(region.right).toBeGreaterThanOrEqual(bounds.right)
        expect(region.bottom).toBeGreaterThanOrEqual(bounds.bottom)
        expect(region.right).toBeLessThanOrEqual(w)
        expect(region.bottom).toBeLessThanOrEqual(h)
      },
    ),
  )
})

const settings = { blurX: 0, blurY: 0, padding: 0, resizeMode: 'stretch', width: 32, height: 32 } as const

test('an overlay’s mask is twice as strong, so that the inner half of a blur is fully painted', () => {
  const ramp = picture(1, 32, 32)
  for (let i = 0; i < ramp.data.length; i++) ramp.data[i] = (i % 32) * 8
  const { mask, overlay, region } = prepareMask(ramp, { ...settings, onlyMasked: false })!
  expect(mask).toEqual(ramp)
  expect(overlay.data[20]).toBe(255)
  expect(overlay.data[5]).toBe(80)
  expect(region).toBeUndefined()
})

test('only masked: the crop fills the job, the overlay keeps the picture’s size', () => {
  const source = boxes(100, 80, box(40, 30, 48, 38))
  const { mask, overlay, region } = prepareMask(source, { ...settings, onlyMasked: true })!
  expect(region).toEqual(box(40, 30, 48, 38))
  expect(mask).toEqual(filled(1, 32, 32, [255]))
  expect(overlay).toEqual(source)
  expect(prepareMask(picture(1, 9, 9), { ...settings, onlyMasked: true })).toBeUndefined()
})

test('the latent mask is 1 where to paint, in whole numbers unless asked otherwise', () => {
  const source = boxes(64, 32, box(0, 0, 36, 32))
  const rounded = latentMask(source, 8, 4, { round: true })
  expect(rounded.shape).toEqual([4, 8])
  expect(Array.from(rounded.data.slice(0, 4))).toEqual([1, 1, 1, 1])
  expect(Array.from(rounded.data.slice(5, 8))).toEqual([0, 0, 0])
  expect(new Set(rounded.data)).toEqual(new Set([0, 1]))
  const soft = latentMask(source, 8, 4, { round: false })
  expect(soft.data[4]).toBeGreaterThan(0.4)
  expect(soft.data[4]).toBeLessThan(0.6)
})
