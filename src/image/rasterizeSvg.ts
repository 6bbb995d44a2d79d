import sharp from 'sharp'
import { picture, type Rgba8 } from './picture.ts'

/** A drawing at `size` × `size` pixels, centred, on a transparent ground. The SVG must be trusted: it is rendered. */
export async function rasterizeSvg(svg: string, size: number): Promise<Rgba8> {
  // Drawn at the size wanted: librsvg's pixels depend on the density, and resizing afterwards would blur.
  const { width, height } = await sharp(Buffer.from(svg)).metadata()
  const density = Math.min(2400, (72 * size) / Math.max(width, height))
  const { data } = await sharp(Buffer.from(svg), { density })
    .resize(size, size, { fit: 'contain', background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  return picture(4, size, size, new Uint8Array(data.buffer, data.byteOffset, data.length))
}
