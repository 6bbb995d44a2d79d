/** How many interleaved 8-bit channels a picture has: grey, RGB, or RGB with straight (not premultiplied) alpha. */
export type Channels = 1 | 3 | 4

/** An 8-bit sRGB picture, rows from the top, channels interleaved: `data[(y·width + x)·channels + c]`. */
export interface Picture<C extends Channels = Channels> {
  readonly channels: C
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** One channel: masks. */
export type L8 = Picture<1>
/** Three channels: what is generated. */
export type Rgb8 = Picture<3>
/** RGB with alpha. */
export type Rgba8 = Picture<4>

/** A rectangle of pixels: `left` and `top` belong to it, `right` and `bottom` do not. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** A picture around existing bytes, or a black (transparent) one where none are given. */
export function picture<C extends Channels>(
  channels: C,
  width: number,
  height: number,
  data: Uint8Array = new Uint8Array(width * height * channels),
): Picture<C> {
  if (data.length !== width * height * channels) {
    throw new Error(`internal: ${width}x${height}x${channels} picture given ${data.length} bytes`)
  }
  return { channels, width, height, data }
}

/** A picture of one colour, given channel by channel. */
export function filled<C extends Channels>(
  channels: C,
  width: number,
  height: number,
  color: readonly number[],
): Picture<C> {
  const result = picture(channels, width, height)
  for (let i = 0; i < result.data.length; i++) result.data[i] = color[i % channels]!
  return result
}

/** Each byte through `f`; the same size and channels. */
export function mapBytes<C extends Channels>(source: Picture<C>, f: (value: number) => number): Picture<C> {
  const table = Uint8Array.from({ length: 256 }, (_, value) => f(value))
  return { ...source, data: source.data.map((value) => table[value]!) }
}

/** The negative: 255 − v on every channel. */
export function invert<C extends Channels>(source: Picture<C>): Picture<C> {
  return mapBytes(source, (value) => 255 - value)
}

/** The pixels of a box; what of it lies outside the picture is 0. */
export function crop<C extends Channels>(source: Picture<C>, box: Box): Picture<C> {
  const { channels } = source
  const result = picture(channels, box.right - box.left, box.bottom - box.top)
  const left = Math.max(box.left, 0)
  const right = Math.min(box.right, source.width)
  if (left >= right) return result
  for (let y = Math.max(box.top, 0); y < Math.min(box.bottom, source.height); y++) {
    const row = source.data.subarray((y * source.width + left) * channels, (y * source.width + right) * channels)
    result.data.set(row, ((y - box.top) * result.width + left - box.left) * channels)
  }
  return result
}

/** A new picture with `patch` laid over `target` at (left, top); what falls outside is cut off. */
export function pasted<C extends Channels>(
  target: Picture<C>,
  patch: Picture<C>,
  left: number,
  top: number,
): Picture<C> {
  const { channels } = target
  const result = picture(channels, target.width, target.height, target.data.slice())
  const from = Math.max(0, -left)
  const to = Math.min(patch.width, target.width - left)
  if (from >= to) return result
  for (let y = Math.max(0, -top); y < Math.min(patch.height, target.height - top); y++) {
    const row = patch.data.subarray((y * patch.width + from) * channels, (y * patch.width + to) * channels)
    result.data.set(row, ((y + top) * target.width + left + from) * channels)
  }
  return result
}
