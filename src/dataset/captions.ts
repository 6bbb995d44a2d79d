import type { PythonRandom } from '../tensor/pythonRandom.ts'

/** What becomes of a caption each time its picture is drawn. */
export interface CaptionOptions {
  readonly prefix: string | undefined
  readonly suffix: string | undefined
  /** Share of draws without any caption. */
  readonly dropoutRate: number
  /** Every so many epochs all captions are left out; 0 never. */
  readonly dropoutEveryEpochs: number
  /** One of several lines, and one of each `{a|b}`. */
  readonly hasWildcards: boolean
  readonly isShuffled: boolean
  /** Tags at the beginning that stay where they are, unless the separator says which. */
  readonly keepTokens: number
  readonly keepTokensSeparator: string
  readonly separator: string
  /** Stands for the separator in groups of tags that stay together. */
  readonly secondarySeparator: string | undefined
  readonly tagDropoutRate: number
  /** Tags grow from `min` to all over so many steps; below 1 a share of the run. */
  readonly warmup: { readonly steps: number; readonly min: number }
}

/** Where in a run a caption is drawn. */
export interface CaptionMoment {
  /** From 1. */
  readonly epoch: number
  readonly step: number
  readonly totalSteps: number
}

/**
 * One draw of a caption, by kohya's rules in kohya's order: prefix and suffix, dropout, wildcards, tags kept, grown,
 * shuffled and dropped, and last the secondary separator. Draws are taken from `random` as Python's would be.
 */
export function drawCaption(text: string, options: CaptionOptions, at: CaptionMoment, random: PythonRandom): string {
  const { prefix, suffix, dropoutRate, dropoutEveryEpochs } = options
  const whole = `${prefix ? `${prefix} ` : ''}${text}${suffix ? ` ${suffix}` : ''}`
  const isDrawnOut = dropoutRate > 0 && random.random() < dropoutRate
  if (isDrawnOut || (dropoutEveryEpochs > 0 && at.epoch % dropoutEveryEpochs === 0)) return ''

  const line = options.hasWildcards ? wildcards(whole, random) : whole.split('\n')[0]!
  const hasTags = options.isShuffled || options.warmup.steps > 0 || options.tagDropoutRate > 0
  const tagged = hasTags ? drawTags(line, options, at, random) : unmarked(line, options)
  const { secondarySeparator, separator } = options
  return secondarySeparator ? tagged.replaceAll(secondarySeparator, separator) : tagged
}

/** Whether every draw of a caption is the same, so that what the encoder makes of it can be kept. */
export function isFixedCaption(options: CaptionOptions): boolean {
  const { dropoutRate, dropoutEveryEpochs, hasWildcards, isShuffled, tagDropoutRate, warmup } = options
  return dropoutRate + dropoutEveryEpochs + tagDropoutRate + warmup.steps === 0 && !hasWildcards && !isShuffled
}

function wildcards(text: string, random: PythonRandom): string {
  const line = text.includes('\n') ? random.choice(text.split('\n')) : text
  // Doubled braces are braces; they hide behind characters that the caption does not have.
  const [left, right] = ['\uE000', '\uE001']
  return line
    .replaceAll('{{', left)
    .replaceAll('}}', right)
    .replace(/\{([^{}]+)\}/g, (_, inner: string) => random.choice(inner.split('|')))
    .replaceAll(left, '{')
    .replaceAll(right, '}')
}

function drawTags(text: string, options: CaptionOptions, at: CaptionMoment, random: PythonRandom): string {
  const { separator, warmup, tagDropoutRate } = options
  const { fixed, flexible, last } = split(text, options)
  const steps = warmup.steps < 1 ? Math.floor(warmup.steps * at.totalSteps) : warmup.steps
  const isGrowing = steps > 0 && at.step < steps
  const count = Math.floor(at.step * ((flexible.length - warmup.min) / steps)) + warmup.min
  const grown = isGrowing ? flexible.slice(0, count) : flexible
  const ordered = options.isShuffled ? random.shuffled(grown) : grown
  const kept = tagDropoutRate > 0 ? ordered.filter(() => random.random() >= tagDropoutRate) : ordered
  return [...fixed, ...kept, ...last].join(`${separator} `)
}

/** Tags that stay at the front, those that move, and those that stay at the end. */
function split(text: string, { separator, keepTokensSeparator: mark, keepTokens }: CaptionOptions) {
  const tags = (part: string) =>
    part
      .split(separator)
      .map((tag) => tag.trim())
      .filter((tag) => tag !== '')
  if (mark !== '' && text.includes(mark)) {
    const [front = '', middle = '', ...rest] = text.split(mark)
    return { fixed: tags(front), flexible: tags(middle), last: tags(rest.join(mark)) }
  }
  const all = text
    .trim()
    .split(separator)
    .map((tag) => tag.trim())
  return { fixed: all.slice(0, keepTokens), flexible: all.slice(keepTokens), last: [] }
}

/** A mark that nothing is kept by is no word of the caption. */
function unmarked(text: string, { separator, keepTokensSeparator: mark }: CaptionOptions): string {
  if (mark === '' || !text.includes(mark)) return text
  const parts = text.split(mark).map((part) => part.trim())
  return parts
    .map((part) => trimmed(part, separator))
    .filter((part) => part !== '')
    .join(`${separator} `)
}

function trimmed(text: string, separator: string): string {
  let part = text
  while (part.startsWith(separator)) part = part.slice(separator.length).trim()
  while (part.endsWith(separator)) part = part.slice(0, -separator.length).trim()
  return part
}
