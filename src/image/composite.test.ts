import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { flatten, parseColor, toL, toRgb } from './channels.ts'
import { matchHistograms } from './colorCorrection.ts'
import { alphaComposite, mixed } from './composite.ts'
import { fillMasked } from './fillMasked.ts'
import { gaussianBlur } from './gaussianBlur.ts'
import { fromLab, toLab } from './lab.ts'
import { cutOut, overlayOf, uncropped, withOverlay } from './overlay.ts'
import { type Channels, crop, filled, invert, type Picture, picture } from './picture.ts'
import { pillowBlur } from './pillowBlur.ts'
import { fitPicture } from './resizeMode.ts'

const golden = JSON.parse(readFileSync(new URL('./goldens/pictures.json', import.meta.url), 'utf8'))
const { width, height } = golden
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'))
const read = <C extends Channels>(channels: C, base64: string) => picture(channels, width, height, bytes(base64))
const [first, second] = [read(4, golden.first), read(4, golden.second)]
const [rgb, other] = [read(3, golden.rgb), read(3, golden.other)]
const [mask, grey] = [read(1, golden.mask), read(1, golden.grey)]

test.each<[string, () => Picture, string]>([
  ['luma', () => toL(rgb), golden.luma],
  ['a negative', () => invert(rgb), golden.inverted],
  ['alpha over a colour', () => flatten(first, '#12ef80'), golden.flattened],
  ['alpha over alpha', () => alphaComposite(first, second), golden.alphaComposite],
  ['mixing by a mask', () => mixed(first, second, mask), golden.mixed],
  ['cutting an overlay out', () => overlayOf(rgb, mask), golden.overlay],
  ['filling from around', () => fillMasked(rgb, mask), golden.filled],
  ['sRGB to Lab', () => toLab(rgb), golden.toLab],
  ['Lab to sRGB', () => fromLab(rgb), golden.fromLab],
  ['histogram matching', () => matchHistograms(rgb, other), golden.matched],
])('%s rounds as the reference’s libraries do', (_, run, expected) => {
  expect(run().data).toEqual(bytes(expected))
})

test.each<{ sigma: number; expected: string }>(golden.pillowBlur)(
  'Pillow’s blur of σ $sigma',
  ({ sigma, expected }) => {
    expect(pillowBlur(grey, sigma).data).toEqual(bytes(expected))
  },
)

test.each<{ sigma: number; across: string; down: string }>(golden.opencvBlur)('OpenCV’s blur of σ $sigma', (each) => {
  expect(gaussianBlur(grey, each.sigma, 0).data).toEqual(bytes(each.across))
  expect(gaussianBlur(grey, 0, each.sigma).data).toEqual(bytes(each.down))
})

test('channels blur apart from each other', () => {
  const channel = (source: Picture, c: number) => source.data.filter((_, i) => i % source.channels === c)
  for (const c of [0, 1, 2]) {
    const alone = picture(1, width, height, channel(rgb, c))
    expect(channel(pillowBlur(rgb, 3), c)).toEqual(pillowBlur(alone, 3).data)
    expect(channel(gaussianBlur(rgb, 3, 2), c)).toEqual(gaussianBlur(alone, 3, 2).data)
  }
})

test('margins continue a picture as a resize from its bare edge does', () => {
  const tall = fitPicture(rgb, 'fit', width, height + 6)
  expect(crop(tall, { left: 0, top: 3, right: width, bottom: 3 + height })).toEqual(rgb)
  for (const row of [0, 2]) {
    expect(crop(tall, { left: 0, top: row, right: width, bottom: row + 1 }).data).toEqual(bytes(golden.edges.above))
  }
  const below = { left: 0, top: height + 5, right: width, bottom: height + 6 }
  expect(crop(tall, below).data).toEqual(bytes(golden.edges.below))
  const wide = fitPicture(rgb, 'fit', width + 4, height)
  expect(crop(wide, { left: 1, top: 0, right: 2, bottom: height }).data).toEqual(bytes(golden.edges.before))
  expect(crop(wide, { left: width + 2, top: 0, right: width + 3, bottom: height }).data).toEqual(
    bytes(golden.edges.after),
  )
})

test('an overlay gives back what its mask did not cover', () => {
  const hard = { ...mask, data: mask.data.map((value) => (value > 128 ? 255 : 0)) }
  const inpainted = filled(3, width, height, [9, 99, 199])
  const result = withOverlay(inpainted, overlayOf(rgb, hard))
  for (let i = 0; i < hard.data.length; i++) {
    const expected = hard.data[i] === 255 ? inpainted : rgb
    expect(result.data.slice(i * 3, i * 3 + 3)).toEqual(expected.data.slice(i * 3, i * 3 + 3))
  }
})

test('a picture of a part shows only inside its box', () => {
  const box = { left: 4, top: 5, right: 12, bottom: 13 }
  const everything = filled(1, width, height, [255])
  const result = withOverlay(uncropped(filled(3, 16, 16, [200, 0, 0]), width, height, box), overlayOf(rgb, everything))
  expect(crop(result, box)).toEqual(filled(3, 8, 8, [200, 0, 0]))
  expect(result.data.slice(0, 3)).toEqual(Uint8Array.of(0, 0, 0))
})

test('what a mask cuts out is the picture where it is white, clear and black where it is not', () => {
  const steps = picture(1, 3, 1, Uint8Array.of(0, 51, 255))
  // 51/255 is a fifth: 200 becomes 40 and is made 200 again.
  expect([...cutOut(filled(3, 3, 1, [200, 100, 50]), steps).data]).toEqual([
    ...[0, 0, 0, 0],
    ...[200, 100, 50, 51],
    ...[200, 100, 50, 255],
  ])
  const part = uncropped(filled(3, 1, 1, [9, 8, 7]), 3, 1, { left: 1, top: 0, right: 2, bottom: 1 })
  expect([...cutOut(part, filled(1, 3, 1, [255])).data]).toEqual([...[0, 0, 0, 0], ...[9, 8, 7, 255], ...[0, 0, 0, 0]])
})

test('compositing an opaque picture hides, a clear one shows, what lies below', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (values) => {
      const below = picture(4, 1, 1, values.slice(0, 4))
      const above = values.slice(4)
      above[3] = 255
      expect(alphaComposite(below, picture(4, 1, 1, above)).data).toEqual(above)
      above[3] = 0
      expect(alphaComposite(below, picture(4, 1, 1, above))).toEqual(below)
    }),
  )
})

test('colours are read in both spellings and refused otherwise', () => {
  expect(parseColor('#0f8')).toEqual([0, 255, 136])
  expect(parseColor(' #FFffff ')).toEqual([255, 255, 255])
  expect(() => parseColor('white')).toThrow('expected #rgb or #rrggbb')
  expect(toRgb(filled(4, 1, 1, [1, 2, 3, 4])).data).toEqual(Uint8Array.of(1, 2, 3))
})
