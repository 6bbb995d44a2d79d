import { StudioError } from '../errors.ts'
import { type Choice, type Mark, parseScheduleSyntax } from './scheduleSyntax.ts'

/** A prompt's text from the end of the entry before it up to denoiser call `until`. */
export interface ScheduledText {
  readonly until: number
  readonly text: string
}

export interface ScheduleOptions {
  /** Gives the schedule of a second, high-resolution pass of so many steps that follows the first. */
  readonly hiresSteps?: number | undefined
  /** Numbers below 1 are fractions whether or not they have a point, and the second pass repeats the first. */
  readonly useOldScheduling?: boolean | undefined
}

/** All texts of one schedule together may have this many characters: 256 MB of memory. */
const characterLimit = 1 << 27

/**
 * The texts a prompt stands for over `steps` denoiser calls (twice the sampler's steps where it is of second
 * order): `[from:to:when]` and `[a|b]` resolved, all else kept. Entries ascend and the last ends at the last
 * call; at least one entry. A prompt outside the grammar is one entry, literally.
 */
export function parsePromptSchedule(
  prompt: string,
  steps: number,
  options: ScheduleOptions = {},
): readonly ScheduledText[] {
  const { hiresSteps, useOldScheduling = false } = options
  const last = useOldScheduling ? steps : (hiresSteps ?? steps)
  const marks = parseScheduleSyntax(prompt)
  if (!marks) return [{ until: last, text: prompt }]

  const whenToStep = (when: string): number => {
    const value = Number(when)
    if (useOldScheduling) return upTo(last, value < 1 ? value * last : value)
    const isFraction = when.includes('.')
    // A second pass counts on from the first: fractions 1 to 2, whole numbers from the first pass's steps.
    if (hiresSteps !== undefined) return upTo(last, isFraction ? (value - 1) * last : value - steps)
    return upTo(last, isFraction ? value * last : value)
  }

  const boundaries = boundariesOf(marks, last, whenToStep)
  if (boundaries.length * prompt.length > characterLimit) {
    throw new StudioError(
      'too-large',
      `prompt: ${boundaries.length} scheduled texts of up to ${prompt.length} characters, at most ${characterLimit} in all are accepted`,
      { field: 'prompt' },
    )
  }
  return boundaries.map((until) => ({ until, text: textAt(marks, until, whenToStep) }))
}

/**
 * Index of the entry in force at a denoiser call, counted from 0: the first whose end is not before it, so
 * the first entry lasts one call longer than its number says. Past the end the first is in force again.
 */
export function entryAt(schedule: readonly ScheduledText[], call: number): number {
  return Math.max(
    0,
    schedule.findIndex(({ until }) => call <= until),
  )
}

function upTo(last: number, step: number): number {
  return Math.min(last, Math.trunc(step))
}

function boundariesOf(marks: readonly Mark[], last: number, whenToStep: (when: string) => number): readonly number[] {
  const choices = marks.flatMap((mark) => (mark.kind === 'open' ? [mark.choice] : []))
  if (last >= 1 && choices.some(({ kind }) => kind === 'turn')) return Array.from({ length: last }, (_, i) => i + 1)
  const steps = choices.flatMap((choice) => (choice.kind === 'at' ? [whenToStep(choice.when)] : []))
  return [...new Set([...steps.filter((step) => step >= 1), last])].sort((a, b) => a - b)
}

function textAt(marks: readonly Mark[], step: number, whenToStep: (when: string) => number): string {
  const partAt = (choice: Choice) =>
    choice.kind === 'turn' ? (step - 1) % choice.parts : step <= whenToStep(choice.when) ? 0 : 1

  let text = ''
  const groups: { shown: number; part: number }[] = []
  // Parts that are not shown on the way to here; text appears where there is none.
  let hidden = 0
  for (const mark of marks) {
    if (mark.kind === 'text') {
      if (hidden === 0) text += mark.text
      continue
    }
    const group = groups.at(-1)
    if (mark.kind !== 'open' && group && group.part !== group.shown) hidden--
    if (mark.kind === 'close') groups.pop()
    else {
      const current = mark.kind === 'open' ? { shown: partAt(mark.choice), part: 0 } : group!
      if (mark.kind === 'open') groups.push(current)
      else current.part++
      if (current.part !== current.shown) hidden++
    }
  }
  return text
}
