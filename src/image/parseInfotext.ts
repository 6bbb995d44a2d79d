import { splitInfotext } from './splitInfotext.ts'

/** A parameter as read: text, except for the numbers and flags that stand for "not given". */
export type ParsedValue = string | number | boolean

/** What a picture's infotext means to a form or a request that repeats it. */
export interface ParsedInfotext {
  readonly prompt: string
  readonly negativePrompt: string
  /** Styles found in the prompts and taken out of them; undefined where no extraction was asked for. */
  readonly styles: readonly string[] | undefined
  /** Parameters by name; sizes as `Size-1` and `Size-2`; the defaults of absent ones filled in. */
  readonly values: ReadonlyMap<string, ParsedValue>
}

/** Styles recognised in a pair of prompts, and what is left of those. */
export interface StyleExtraction {
  readonly styles: readonly string[]
  readonly prompt: string
  readonly negativePrompt: string
}

/** What higher floors know about prompts, and the settings that steer reading. */
export interface ParseOptions {
  readonly extractStyles?: (prompt: string, negativePrompt: string) => StyleExtraction
  /** Whether a prompt carries a weight other than 1. */
  readonly usesEmphasis?: (prompt: string) => boolean
  /** Ask for the behaviour of the version that wrote the infotext. */
  readonly backwardCompatible?: boolean
  /** Parameters to leave out. */
  readonly skip?: readonly string[]
  /** First-pass size of a hires run from before there was a target size: (width, height) → first pass. */
  readonly oldFirstPass?: (width: number, height: number) => readonly [number, number]
}

/** Values assumed where an infotext does not say, since it only records what differs from them. */
const absentValues: readonly (readonly [string, ParsedValue])[] = [
  ['Clip skip', '1'],
  ['Hires resize-1', 0],
  ['Hires resize-2', 0],
  ['Hires sampler', 'Use same sampler'],
  ['Hires schedule type', 'Use same scheduler'],
  ['Hires checkpoint', 'Use same checkpoint'],
  ['Hires prompt', ''],
  ['Hires negative prompt', ''],
  ['Mask mode', 'Inpaint masked'],
  ['Masked content', 'original'],
  ['Inpaint area', 'Whole picture'],
  ['Masked area padding', 32],
  ['RNG', 'GPU'],
  ['Schedule type', 'Automatic'],
  ['Schedule max sigma', 0],
  ['Schedule min sigma', 0],
  ['Schedule rho', 0],
  ['VAE Encoder', 'Full'],
  ['VAE Decoder', 'Full'],
  ['FP8 weight', 'Disable'],
  ['Refiner switch by sampling steps', false],
]

/** Reads an infotext into the parameters it stands for; any text is accepted. */
export function parseInfotext(text: string, options: ParseOptions = {}): ParsedInfotext {
  const { prompt, negativePrompt, pairs } = splitInfotext(text)
  const values = new Map<string, ParsedValue>()
  for (const [key, value] of pairs) {
    const size = /^(\p{Nd}+)x(\p{Nd}+)$/u.exec(value)
    if (size) {
      values.set(`${key}-1`, size[1]!)
      values.set(`${key}-2`, size[2]!)
    } else if (value !== '') values.set(key, value)
  }

  const styled = options.extractStyles
    ? withoutStyles(prompt, negativePrompt, values, options.extractStyles)
    : { styles: undefined, prompt, negativePrompt }
  const hypernetwork = values.get('Hypernet')
  const tag = hypernetwork === undefined ? '' : `<hypernet:${hypernetwork}:${values.get('Hypernet strength') ?? '1.0'}>`
  const parsed = { ...styled, prompt: styled.prompt + tag }

  for (const [key, value] of absentValues) if (!values.has(key)) values.set(key, value)
  if (values.get('FP8 weight') !== 'Disable' && !values.has('Cache FP16 weight for LoRA')) {
    values.set('Cache FP16 weight for LoRA', false)
  }
  renewFirstPassSize(values, options.oldFirstPass)
  if (!values.has('Emphasis') && [parsed.prompt, parsed.negativePrompt].some((each) => options.usesEmphasis?.(each))) {
    values.set('Emphasis', 'Original')
  }
  if (options.backwardCompatible) askForOldBehaviour(parsed.prompt, values)
  for (const key of options.skip ?? []) values.delete(key)
  return { ...parsed, values }
}

/** Styles are only taken out when the hires prompts contain the same ones: a recipe has one list of styles. */
function withoutStyles(
  prompt: string,
  negativePrompt: string,
  values: Map<string, ParsedValue>,
  extract: NonNullable<ParseOptions['extractStyles']>,
): StyleExtraction {
  const found = extract(prompt, negativePrompt)
  const hiresPrompt = values.get('Hires prompt')
  const hiresNegative = values.get('Hires negative prompt')
  if (hiresPrompt === undefined && hiresNegative === undefined) return found

  const hires = extract(String(hiresPrompt ?? prompt), String(hiresNegative ?? negativePrompt))
  const same = found.styles.length === hires.styles.length && found.styles.every((name, i) => name === hires.styles[i])
  if (!same) return { styles: [], prompt, negativePrompt }
  values.set('Hires prompt', hires.prompt === found.prompt ? '' : hires.prompt)
  values.set('Hires negative prompt', hires.negativePrompt === found.negativePrompt ? '' : hires.negativePrompt)
  return found
}

/** Before hires fix had a target size, `Size` was the target and `First pass size` what came before. */
function renewFirstPassSize(values: Map<string, ParsedValue>, oldFirstPass: ParseOptions['oldFirstPass']): void {
  const first = [Number(values.get('First pass size-1')), Number(values.get('First pass size-2'))] as const
  if (first.some(Number.isNaN)) return
  const target = [Number(values.get('Size-1') ?? 512), Number(values.get('Size-2') ?? 512)] as const
  const isUnset = first.some((side) => side === 0)
  const [width, height] = isUnset && oldFirstPass ? oldFirstPass(...target) : first
  values.set('Size-1', width)
  values.set('Size-2', height)
  values.set('Hires resize-1', target[0])
  values.set('Hires resize-2', target[1])
}

/** Release numbers, and commits after the release where the version says so: v1.7.0-225-gabcdef → 1, 7, 0, 225. */
function versionOf(text: string): readonly number[] | undefined {
  const match = /^v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:-(\d{1,9})(?:-.*)?)?$/.exec(text)
  return match?.slice(1, 5).map((part) => Number(part ?? 0))
}

function isBefore(version: readonly number[], limit: readonly number[]): boolean {
  const at = limit.findIndex((part, i) => version[i] !== part)
  return at !== -1 && version[at]! < limit[at]!
}

function askForOldBehaviour(prompt: string, values: Map<string, ParsedValue>): void {
  const version = versionOf(String(values.get('Version')))
  if (version === undefined) return
  if (isBefore(version, [1, 6, 0, 0])) {
    if (prompt.includes('[')) values.set('Old prompt editing timelines', true)
    if (['DDIM', 'PLMS'].includes(String(values.get('Sampler')))) values.set('Pad conds v0', true)
  }
  if (isBefore(version, [1, 7, 0, 225])) values.set('Downcast alphas_cumprod', true)
  if (isBefore(version, [1, 8, 0, 0]) && values.has('Refiner')) values.set('Refiner switch by sampling steps', true)
}
