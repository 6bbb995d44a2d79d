import type { SetPicture } from '../pictureSet.ts'
import { hasWidePunctuation, tagsOf } from '../tags/caption.ts'
import { thresholds, type Verdict } from './checks.ts'

export interface CaptionOptions {
  /** The word that shall stand in every caption. */
  readonly trigger?: string | undefined
  /** How many of CLIP's tokens a text has. */
  readonly tokens: (text: string) => number
}

/** What is wrong with a picture's caption. */
export function checkCaption(
  { caption, captionPath, captionProblem, folder }: SetPicture,
  { trigger, tokens }: CaptionOptions,
): readonly Verdict[] {
  const found = (grade: Verdict['grade'], value: number | string, threshold: string, message: string): Verdict => ({
    check: 'caption',
    grade,
    value,
    threshold,
    message,
  })
  if (captionProblem !== undefined) return [found('fail', captionProblem, 'UTF-8 text', `${captionPath}: not readable`)]
  if (caption === undefined) {
    const { classTokens } = folder
    const message = classTokens === undefined ? 'no caption' : `no caption; "${classTokens}" of its folder stands in`
    return [found(classTokens === undefined ? 'warn' : 'info', 'missing', 'a text file beside the picture', message)]
  }
  if (caption.trim() === '') return [found('warn', 'empty', 'some words', 'an empty caption')]
  const verdicts: Verdict[] = []
  const lines = caption.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '')
  const [first = ''] = lines
  if (lines.length > 1) {
    verdicts.push(found('warn', lines.length, 'one line', 'only its first line is read unless wildcards are on'))
  }
  const count = tokens(first)
  if (count > thresholds.captionTokens) {
    const windows = Math.ceil(count / thresholds.captionTokens)
    const message = `needs max_token_length ${Math.min(windows, 3) * 75}${windows > 3 ? ', and is cut off even there' : ''}`
    verdicts.push(found(windows > 3 ? 'warn' : 'info', count, `≤ ${thresholds.captionTokens} tokens`, message))
  }
  const tags = tagsOf(first).map((tag) => tag.toLowerCase())
  if (trigger !== undefined && !first.toLowerCase().includes(trigger.toLowerCase())) {
    verdicts.push(found('warn', 'absent', trigger, 'without the trigger word'))
  }
  if (hasWidePunctuation(first)) {
    verdicts.push(found('warn', first.match(/[，、；：。]/)?.[0] ?? '', '", "', 'Chinese commas do not divide tags'))
  }
  const repeated = tags.length - new Set(tags).size
  if (repeated > 0) verdicts.push(found('info', repeated, '0', 'tags that stand there twice'))
  return verdicts
}
