import { joinInfotext } from './formatInfotext.ts'
import { pythonFloat } from './pythonFloat.ts'

/** Samplers print what Python would: whole numbers of JSON stay whole, others are floats. */
function numberText(value: unknown): string {
  if (typeof value !== 'number') return String(value)
  return Number.isInteger(value) ? String(value) : pythonFloat(value)
}

/**
 * The infotext that repeats a NovelAI picture. Its PNG carries the prompt as `Description` and the rest as JSON in
 * `Comment`; the service skips the last text layer and offsets ancestral noise by 31337. Undefined where that is missing.
 */
export function novelAiInfotext(
  items: ReadonlyMap<string, string>,
  [width, height]: readonly [number, number],
  samplerName: (alias: string) => string | undefined,
): string | undefined {
  const recipe = parseObject(items.get('Comment'))
  const prompt = items.get('Description')
  if (recipe === undefined || prompt === undefined) return undefined
  if (['sampler', 'steps', 'scale', 'seed', 'uc'].some((key) => !(key in recipe))) return undefined
  return joinInfotext(prompt, String(recipe.uc), [
    ['Steps', numberText(recipe.steps)],
    ['Sampler', samplerName(String(recipe.sampler)) ?? 'Euler a'],
    ['CFG scale', numberText(recipe.scale)],
    ['Seed', numberText(recipe.seed)],
    ['Size', `${width}x${height}`],
    ['Clip skip', '2'],
    ['ENSD', '31337'],
  ])
}

function parseObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
