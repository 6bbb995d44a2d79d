import { StudioError } from '../errors.ts'
import type { Given } from './given.ts'

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
