import { z } from 'zod'
import type { SoftInpainting } from '../recipe.ts'
import { boolean, number, parseFields, withDefault } from './fields.ts'

/** Positions of the script's `args`, with its own limits and defaults. */
const args = z
  .tuple([
    withDefault(boolean, false),
    withDefault(number(0, 8), 1),
    withDefault(number(0, 8), 0.5),
    withDefault(number(1, 32), 4),
    withDefault(number(0, 1), 0),
    withDefault(number(0, 8), 0.5),
    withDefault(number(0, 8), 2),
  ])
  .rest(z.unknown())

/** Reads the arguments of the always-on script "Soft Inpainting"; undefined where it is not enabled. */
export function parseSoftInpainting(given: readonly unknown[], where: string): SoftInpainting | undefined {
  const padded = Array.from({ length: Math.max(given.length, 7) }, (_, i) => given[i])
  const [isEnabled, bias, strength, contrast, influence, threshold, difference] = parseFields(args, padded, where)
  if (!isEnabled) return undefined
  return {
    scheduleBias: bias,
    preservationStrength: strength,
    transitionContrast: contrast,
    maskInfluence: influence,
    differenceThreshold: threshold,
    differenceContrast: difference,
  }
}
