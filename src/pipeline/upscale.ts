import type { Rgb8 } from '../image/picture.ts'
import { resample } from '../image/resample.ts'

/** Enlarges a picture by what its upscaler can do; called again until the picture is large enough. */
export type UpscaleStep = (source: Rgb8, scale: number) => Promise<Rgb8>

/** A model enlarges by a fixed factor; after so many times it is enough. */
const maxSteps = 3

/**
 * A picture at exactly this size, enlarged by an upscaler and brought to size by Lanczos. Nothing is upscaled that
 * need not grow.
 */
export async function upscale(
  source: Rgb8,
  width: number,
  height: number,
  step: UpscaleStep | undefined,
): Promise<Rgb8> {
  const scale = Math.max(width / source.width, height / source.height)
  const enlarged = step && scale > 1 ? await repeated(source, scale, step) : source
  return resample(enlarged, width, height, 'lanczos')
}

async function repeated(source: Rgb8, scale: number, step: UpscaleStep): Promise<Rgb8> {
  const side = (length: number) => Math.floor((length * scale) / 8) * 8
  const wanted = { width: side(source.width), height: side(source.height) }
  let current = source
  for (let i = 0; i < maxSteps; i++) {
    if (i > 0 && current.width >= wanted.width && current.height >= wanted.height) break
    const next = await step(current, scale)
    if (next.width === current.width && next.height === current.height) break
    current = next
  }
  return resample(current, Math.max(1, wanted.width), Math.max(1, wanted.height), 'lanczos')
}

/** The upscalers that need no model; `None` leaves everything to the final resize. */
export function plainUpscaler(name: string): UpscaleStep | undefined {
  if (name === 'None') return undefined
  const filter = name === 'Nearest' ? 'nearest' : 'lanczos'
  return async (source, scale) =>
    resample(source, Math.trunc(source.width * scale), Math.trunc(source.height * scale), filter)
}
