import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Channels, filled, picture } from './picture.ts'
import { type Filter, premultiplied, resample, straightened } from './resample.ts'

interface Case {
  filter: Filter
  channels: Channels
  width: number
  height: number
  newWidth: number
  newHeight: number
  source: string
  expected: string
}
const goldens: { cases: Case[] } = JSON.parse(readFileSync(new URL('./goldens/resize.json', import.meta.url), 'utf8'))
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'))

test.each(['nearest', 'box', 'bilinear', 'bicubic', 'lanczos'] as const)('%s is bit-equal to Pillow', (filter) => {
  const cases = goldens.cases.filter((each) => each.filter === filter)
  expect(cases.length).toBe(15)
  for (const { channels, width, height, newWidth, newHeight, source, expected } of cases) {
    const result = resample(picture(channels, width, height, bytes(source)), newWidth, newHeight, filter)
    expect(result.data, `${width}x${height}x${channels} to ${newWidth}x${newHeight}`).toEqual(bytes(expected))
  }
})

test('a flat picture stays flat at every size and filter', () => {
  for (const filter of ['nearest', 'box', 'bilinear', 'bicubic', 'lanczos'] as const) {
    const result = resample(filled(3, 5, 7, [0, 131, 255]), 13, 3, filter)
    expect(result).toEqual(filled(3, 13, 3, [0, 131, 255]))
  }
})

test('a picture of the wanted size is returned as it is', () => {
  const source = filled(1, 4, 4, [9])
  expect(resample(source, 4, 4, 'lanczos')).toBe(source)
})

test('alpha division undoes multiplication where every level of colour survives', () => {
  const opaque = filled(4, 2, 2, [1, 128, 254, 255])
  expect(straightened(premultiplied(opaque))).toEqual(opaque)
  const clear = filled(4, 2, 2, [200, 100, 50, 0])
  expect(premultiplied(clear).data).toEqual(filled(4, 2, 2, [0, 0, 0, 0]).data)
})
