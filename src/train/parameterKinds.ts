import type { Parameter } from './readParameters.ts'

const of =
  <const Kind extends Parameter['kind']>(kind: Kind) =>
  <Fallback>(fallback: Fallback): Parameter<Kind, Fallback> => ({ kind, fallback })

export const [text, number, whole, list] = [of('text'), of('number'), of('whole'), of('list')]
export const none = undefined
export const flag: Parameter<'flag', boolean> = { kind: 'flag', fallback: false }

/** A parameter that is accepted and changes nothing. */
export function inert(reason: string, kind: 'text' | 'flag' | 'list' = 'text'): Parameter<typeof kind, undefined> {
  return { kind, fallback: undefined, inert: reason }
}
