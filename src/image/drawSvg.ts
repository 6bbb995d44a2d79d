import sharp from 'sharp'
import { picture, type Rgb8 } from './picture.ts'

/** A picture with elements of SVG drawn over it, one unit a pixel. The SVG must be trusted: it is rendered. */
export async function drawSvg({ width, height, data }: Rgb8, elements: string): Promise<Rgb8> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${elements}</svg>`
  const drawn = await sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .composite([{ input: Buffer.from(svg), limitInputPixels: false }])
    .removeAlpha()
    .raw()
    .toBuffer()
  return picture(3, width, height, new Uint8Array(drawn.buffer, drawn.byteOffset, drawn.length))
}
