import { strip } from './splitInfotext.ts'

/**
 * What a generation parameter may be. Whole numbers print as they are; a float goes through `pythonFloat` first,
 * because `7` and `7.0` are different texts; true prints as `True`; null is left out.
 */
export type InfotextValue = string | number | boolean | null

/** The parameters with a fixed place, in the order they are written. */
export const listedKeys = [
  'Steps',
  'Sampler',
  'Schedule type',
  'CFG scale',
  'Image CFG scale',
  'Seed',
  'Face restoration',
  'Size',
  'Model hash',
  'Model',
  'FP8 weight',
  'Cache FP16 weight for LoRA',
  'VAE hash',
  'VAE',
  'Variation seed',
  'Variation seed strength',
  'Seed resize from',
  'Denoising strength',
  'Conditional mask weight',
  'Clip skip',
  'ENSD',
  'Token merging ratio',
  'Token merging ratio hr',
  'Init image hash',
  'RNG',
  'Tiling',
] as const

export type ListedKey = (typeof listedKeys)[number]

/** Everything an infotext says. */
export interface Infotext {
  readonly prompt: string
  readonly negativePrompt: string
  readonly listed: Readonly<Partial<Record<ListedKey, InfotextValue>>>
  /** Other parameters in the order they arose; one with a listed key replaces that value in its place. */
  readonly extra: Iterable<readonly [string, InfotextValue]>
  readonly version?: string
  readonly user?: string
}

/** The infotext of a picture: prompt, negative prompt and one line of parameters, byte-equal to the reference's. */
export function formatInfotext({ prompt, negativePrompt, listed, extra, version, user }: Infotext): string {
  const parameters = new Map<string, InfotextValue>()
  for (const key of listedKeys) parameters.set(key, listed[key] ?? null)
  for (const [key, value] of extra) parameters.set(key, value)
  parameters.set('Version', version ?? null)
  parameters.set('User', user ?? null)
  return joinInfotext(prompt, negativePrompt, parameters)
}

/** An infotext from its three parts, the parameters in the order given. */
export function joinInfotext(
  prompt: string,
  negativePrompt: string,
  parameters: Iterable<readonly [string, InfotextValue]>,
): string {
  const negative = negativePrompt === '' ? '' : `\nNegative prompt: ${negativePrompt}`
  return strip(`${prompt}${negative}\n${formatPairs(parameters)}`)
}

/** `Key: value, Key: value`; a key that equals its value is written once, null values are left out. */
function formatPairs(parameters: Iterable<readonly [string, InfotextValue]>): string {
  const parts: string[] = []
  for (const [key, value] of parameters) {
    if (value === null) continue
    const text = valueText(key, value)
    parts.push(text === key ? key : `${key}: ${quote(text)}`)
  }
  return parts.join(', ')
}

/** A text as an infotext value: in JSON quotes where a comma, colon or line break would end it too early. */
export function quote(text: string): string {
  return /[,:\n]/.test(text) ? JSON.stringify(text) : text
}

function valueText(key: string, value: string | number | boolean): string {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (!Number.isInteger(value)) throw new Error(`internal: infotext ${key} is the bare float ${value}`)
  return String(value)
}
