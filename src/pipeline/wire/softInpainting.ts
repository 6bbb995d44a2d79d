import { z } from 'zod'
import { softInpaintingDefaults as defaults, type SoftInpainting } from '../../image/softInpaint.ts'
import { boolean, number, parseFields, withDefault } from './fields.ts'

/** Positions of the script's `args`, with its own limits. */
const args = z
  .tuple([
    withDefault(boolean, false),
    withDefault(number(0, 8), defaults.scheduleBias),
    withDefault(number(0, 8), defaults.preservationStrength),
    withDefault(number(1, 32), defaults.transitionContrastBoost),
    withDefault(number(0, 1), defaults.maskInfluence),
    withDefault(number(0, 8), defaults.differenceThreshold),
    withDefault(number(0, 8), defaults.differenceContrast),
  ])
  .rest(z.unknown())

/** Reads the arguments of the always-on script "Soft Inpainting"; undefined where it is not enabled. */
export function softInpaintingOf(given: readonly unknown[], where: string): SoftInpainting | undefined {
  const padded = Array.from({ length: Math.max(given.length, 7) }, (_, i) => given[i])
  const [isEnabled, bias, strength, contrast, influence, threshold, difference] = parseFields(args, padded, where)
  if (!isEnabled) return undefined
  return {
    scheduleBias: bias,
    preservationStrength: strength,
    transitionContrastBoost: contrast,
    maskInfluence: influence,
    differenceThreshold: threshold,
    differenceContrast: difference,
  }
}
