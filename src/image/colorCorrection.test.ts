import { expect, test } from 'vitest'
import { toRgb } from './channels.ts'
import { matchColors, matchHistograms } from './colorCorrection.ts'
import { decodePicture } from './decode.ts'
import { fromLab, toLab } from './lab.ts'
import { filled, picture } from './picture.ts'

const golden = async (file: string) =>
  toRgb(await decodePicture(new URL(`../../test/golden/${file}`, import.meta.url).pathname))

test('the reference’s colour-corrected picture is reproduced from its uncorrected twin', async () => {
  const uncorrected = await golden('images/img2img__s_euler_a.0.png')
  const corrected = await golden('images/img2img__color_correction.0.png')
  const init = await golden('inputs/init128.png')
  expect(matchColors(uncorrected, init).data).toEqual(corrected.data)
})

test('known colours have their known coordinates', () => {
  const lab = (r: number, g: number, b: number) => Array.from(toLab(filled(3, 1, 1, [r, g, b])).data)
  expect(lab(255, 255, 255)).toEqual([255, 128, 128])
  expect(lab(0, 0, 0)).toEqual([0, 128, 128])
  // CIE gives L*a*b* = 53.2, 80.1, 67.2 for the red primary.
  expect(lab(255, 0, 0)).toEqual([136, 208, 195])
})

test('there and back again stays within two levels of 8-bit Lab', () => {
  const source = picture(3, 64, 64)
  for (let i = 0; i < source.data.length; i++) source.data[i] = (i * 7919) % 256
  const back = fromLab(toLab(source))
  // A level of lightness is up to five levels of a dark channel, so the comparison is made in Lab.
  const again = toLab(back)
  const lab = toLab(source)
  expect(Math.max(...again.data.map((value, i) => Math.abs(value - lab.data[i]!)))).toBeLessThanOrEqual(2)
})

test('a histogram matched to itself changes nothing', () => {
  const source = picture(3, 16, 16)
  for (let i = 0; i < source.data.length; i++) source.data[i] = (i * 31) % 200
  expect(matchHistograms(source, source)).toEqual(source)
})

test('a flat reference gives every pixel its colour', () => {
  const source = picture(3, 4, 4)
  for (let i = 0; i < source.data.length; i++) source.data[i] = i
  expect(matchHistograms(source, filled(3, 2, 2, [9, 8, 7]))).toEqual(filled(3, 4, 4, [9, 8, 7]))
})
