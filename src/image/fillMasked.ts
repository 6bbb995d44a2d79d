import { toRgb, withAlpha } from './channels.ts'
import { alphaComposite, mixed } from './composite.ts'
import { filled, invert, type L8, picture, type Rgb8 } from './picture.ts'
import { pillowBlur } from './pillowBlur.ts'
import { straightened } from './resample.ts'

/** Blurs from coarse to fine and how often each is laid over: nearer colours win where they reach. */
const layers = [
  { radius: 256, repeats: 1 },
  { radius: 64, repeats: 1 },
  { radius: 16, repeats: 2 },
  { radius: 4, repeats: 4 },
  { radius: 2, repeats: 2 },
  { radius: 0, repeats: 1 },
] as const

/** The picture with its masked part painted over by colours bleeding in from around it (masked content "fill"). */
export function fillMasked(source: Rgb8, mask: L8): Rgb8 {
  const { width, height } = source
  const opaque = withAlpha(source, filled(1, width, height, [255]))
  const unmasked = mixed(picture(4, width, height), opaque, invert(mask))
  let result = picture(4, width, height)
  for (const { radius, repeats } of layers) {
    const blurred = straightened(pillowBlur(unmasked, radius))
    for (let i = 0; i < repeats; i++) result = alphaComposite(result, blurred)
  }
  return toRgb(result)
}
