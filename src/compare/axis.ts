import { StudioError } from '../errors.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import type { Library } from '../pipeline/library.ts'
import { axisValues, splitValues } from '../scripts/xyz/values.ts'

/** A line of a comparison, as the X/Y/Z plot's "Prompt S/R" has it: a word of the prompts, and what takes its place. */
export interface CompareAxis<Value> {
  readonly searched: string
  readonly values: readonly Value[]
}

/** The word of prompts that stands for a version where versions are found by the name of the network. */
const versionWord = 'VERSION'
/** The word that stands for a strength unless another is named. */
export const strengthWord = 'STRENGTH'

const mostValues = 200

/** `NUM,000001,000002`: versions by what their names differ in. */
export function versionAxis(text: string, field: string): CompareAxis<string> {
  const [searched, ...values] = splitValues(text)
  if (searched === undefined || searched === '' || values.length === 0) {
    throw new StudioError('bad-request', `${field}: found "${text}", expected such as NUM,000001,000002`, { field })
  }
  return { searched, values: limited(values, field) }
}

/** `STRENGTH,0.1,0.5-1 (+0.1)`: strengths, one by one or in the ranges of the X/Y/Z plot, or `0..1 step 0.1`. */
export function strengthAxis(text: string, field: string): CompareAxis<number> {
  const [searched, ...texts] = splitValues(text)
  const plain = texts.map((each) => each.replace(/^\s*(\S+?)\s*\.\.\s*(\S+)\s+step\s+(\S+)\s*$/, '$1-$2 (+$3)'))
  const values = axisValues(plain, 'float', field).map((value) => Math.round(Number(value) * 1e8) / 1e8)
  if (searched === undefined || searched === '' || values.length === 0) {
    throw new StudioError('bad-request', `${field}: found "${text}", expected such as STRENGTH,0.1,0.5,1`, { field })
  }
  return { searched, values: limited(values, field) }
}

/**
 * The versions that a training has left in the library: `name-000001` and on, `name-step00000100` and on, `name` itself,
 * which is the last, and `name-best`.
 */
export function savedVersions(library: Library, name: string): CompareAxis<string> {
  const stems = library.networks().map(({ stem }) => stem)
  const rest = (stem: string) =>
    stem === name ? '' : stem.startsWith(`${name}-`) ? stem.slice(name.length) : undefined
  const order = [/^-\d{6}$/, /^-step\d{8}$/, /^$/, /^-best$/]
  const values = order.flatMap((form) => stems.filter((stem) => form.test(rest(stem) ?? '?')).sort())
  if (values.length === 0) {
    throw new StudioError('unknown-name', `models/Lora holds no version of "${name}"`, { field: 'lora' })
  }
  return { searched: versionWord, values: limited(values, 'lora') }
}

/** A prompt with a tag for the network, where it has none. */
export function withNetworkTag(prompt: string, versions: string, strengths: string): string {
  return prompt.includes(versions) ? prompt : `${prompt} <lora:${versions}:${strengths}>`
}

/** A strength as prompts and labels write it. */
export function strengthText(strength: number): string {
  return pythonFloat(strength)
}

function limited<T>(values: readonly T[], field: string): readonly T[] {
  if (values.length > mostValues) {
    throw new StudioError('too-large', `${field}: ${values.length} values, expected at most ${mostValues}`, { field })
  }
  if (new Set(values).size < values.length) {
    throw new StudioError('bad-request', `${field}: a value is named twice`, { field })
  }
  return values
}
