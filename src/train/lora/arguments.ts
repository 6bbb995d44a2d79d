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
