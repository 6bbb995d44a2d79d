import { areaResize } from '../../image/areaResize.ts'
import { filled, pasted, type Rgb8 } from '../../image/picture.ts'
import { type Filter, resample } from '../../image/resample.ts'
import type { Tensor } from '../../tensor/tensor.ts'

/** A picture in the middle of a white square; its side is the longer of the picture's, or `least`. */
export function onWhiteSquare(source: Rgb8, least = 0): Rgb8 {
  const side = Math.max(source.width, source.height, least)
  const [left, top] = [Math.floor((side - source.width) / 2), Math.floor((side - source.height) / 2)]
  return pasted(filled(3, side, side, [255, 255, 255]), source, left, top)
}

/** A square picture at another size: means over areas to shrink, another filter to enlarge. */
export function sizedSquare(source: Rgb8, side: number, enlarge: Filter): Rgb8 {
  if (source.width === side) return source
  return source.width > side ? areaResize(source, side, side) : resample(source, side, side, enlarge)
}

/** How a model reads the numbers of a picture. */
export interface PixelOrder {
  readonly order: 'rgb' | 'bgr'
  /** Pixels one after the other with their channels, or channel after channel. */
  readonly layout: 'nhwc' | 'nchw'
  /** What becomes of a byte, by the channel in the model's order. */
  readonly scale: (byte: number, channel: number) => number
}

/** A batch of one picture. */
export function toInput({ width, height, data }: Rgb8, { order, layout, scale }: PixelOrder): Tensor {
  const area = width * height
  const result = new Float32Array(3 * area)
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) {
      const value = scale(data[i * 3 + (order === 'rgb' ? c : 2 - c)]!, c)
      result[layout === 'nhwc' ? i * 3 + c : c * area + i] = value
    }
  }
  return { shape: layout === 'nhwc' ? [1, height, width, 3] : [1, 3, height, width], data: result }
}
