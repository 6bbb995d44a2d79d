import { expect, test } from 'vitest'
import { fromPixels } from '../image/pixels.ts'
import { tensor } from '../tensor/tensor.ts'
import { approximateColours } from './approxColours.ts'

const byte = (y: number) => Math.floor(255 * Math.min(1, Math.max(0, (y + 1) / 2)))

test('every channel of a latent adds its own colour to a pixel', () => {
  // Four pixels with one channel each, in the order of the channels.
  const latent = tensor([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [1, 4, 2, 2])
  const [picture] = fromPixels(approximateColours(latent))
  expect(picture).toMatchObject({ width: 2, height: 2, channels: 3 })
  const expected = [0.298, 0.207, 0.208, 0.187, 0.286, 0.173, -0.158, 0.189, 0.264, -0.184, -0.271, -0.473]
  expect([...picture!.data]).toEqual(expected.map(byte))
})

test('a latent of zeros is middle grey, and each row of a batch its own picture', () => {
  const pictures = fromPixels(approximateColours(tensor([...Array(4).fill(0), 9, 9, -9, -9], [2, 4, 1, 1])))
  expect(pictures.map(({ data }) => [...data])).toEqual([
    [127, 127, 127],
    [255, 255, byte(9 * (0.208 + 0.173 - 0.264 + 0.473))],
  ])
})
