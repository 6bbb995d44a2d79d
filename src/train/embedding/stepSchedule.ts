import { StudioError } from '../../errors.ts'

/** A number that changes at certain steps. */
export interface StepSchedule {
  /** Steps after which it ends. */
  readonly end: number
  /** The number in force once `step` steps are done. */
  at(step: number): number
}

/**
 * A1111's schedules: `0.005` all along, or `0.005:100, 1e-3:1000, 1e-5`, each until so many steps are done. A number
 * without a step, or with −1, lasts to the end; whatever follows it is never reached. A last step before `steps` ends the
 * run there.
 */
export function stepSchedule(text: string, steps: number, field: string): StepSchedule {
  const parts: { readonly value: number; readonly until: number }[] = []
  for (const part of text.split(',').map((each) => each.trim())) {
    if (part === '') continue
    const [value = '', step, ...more] = part.split(':').map((each) => each.trim())
    const until = step === undefined || step === '-1' ? steps : Number(step)
    const isStep = step === undefined || /^-?\d+$/.test(step)
    const before = parts.at(-1)?.until ?? 0
    if (!isNumber(value) || !isStep || more.length > 0) {
      throw wrong(field, part, 'a number, or several such as 0.005:100, 1e-3:1000, 1e-5')
    }
    if (until <= before) throw wrong(field, part, `a step after ${before}`)
    parts.push({ value: Number(value), until: Math.min(until, steps) })
    if (until >= steps) break
  }
  if (parts.length === 0) throw wrong(field, text, 'a number, or several such as 0.005:100, 1e-3:1000, 1e-5')
  return {
    end: parts.at(-1)!.until,
    at: (step) => (parts.find(({ until }) => step < until) ?? parts.at(-1)!).value,
  }
}

/** Numbers as Python spells them, none below 0. */
function isNumber(text: string): boolean {
  return /^\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text))
}

function wrong(field: string, found: string, expected: string): StudioError {
  return new StudioError('bad-request', `${field}: found "${found}", expected ${expected}`, { field })
}
