import { StudioError } from '../../errors.ts'
import type { Given } from '../given.ts'
import { readParameters } from '../readParameters.ts'
import { type Arguments, type ParameterName, parameters } from './parameters.ts'
import { fromTrainingPage } from './trainingPage.ts'

export interface ReadArguments {
  readonly values: Arguments
  /** Which of them were given. */
  readonly given: ReadonlySet<ParameterName>
  /** What a person should know, such as parameters that have no effect. */
  readonly notes: readonly string[]
}

/**
 * The parameters of a training from a configuration's tables, which may be those of a training page, and from a command
 * line, which wins. A name that is none
 * is an error with the nearest one, as is a value of another kind.
 */
export function readArguments(config: ReadonlyMap<string, Given>, flags: ReadonlyMap<string, Given>): ReadArguments {
  const { values, given, notes } = readParameters(parameters, [...fromTrainingPage(config), ...flags])
  return { values: values as Arguments, given, notes }
}

/** Flags such as `--network_dim 8 --flip_aug --optimizer_args a=1 b=2`, by name. */
export function parseFlags(tokens: readonly string[]): ReadonlyMap<string, Given> {
  const flags = new Map<string, Given>()
  for (let i = 0; i < tokens.length; ) {
    const match = /^--([\w-]+)(?:=(.*))?$/s.exec(tokens[i]!)
    if (!match) {
      throw new StudioError('bad-request', `"${tokens[i]}": expected a parameter such as --network_dim 8`, {
        field: tokens[i]!,
      })
    }
    i++
    const name = match[1]!.replaceAll('-', '_')
    const words = match[2] === undefined ? [] : [match[2]]
    // What begins with one dash is a number below zero, two begin the next parameter.
    while (match[2] === undefined && i < tokens.length && !tokens[i]!.startsWith('--')) words.push(tokens[i++]!)
    flags.set(name, words.length === 0 ? true : words.length === 1 ? words[0]! : words)
  }
  return flags
}
