import { readFileSync } from 'node:fs'
import { parse } from 'smol-toml'
import { StudioError } from '../errors.ts'
import type { Given } from './given.ts'

/** The parameters of a training's TOML file, whatever tables they stand in. */
export function readConfigFile(path: string): ReadonlyMap<string, Given> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new StudioError('missing-file', `${path}: ${(cause as Error).message}`, { cause, field: 'config' })
  }
  try {
    return new Map(flattened(path, parse(text)))
  } catch (cause) {
    if (cause instanceof StudioError) throw cause
    throw new StudioError('bad-file', `${path}: ${(cause as Error).message.split('\n')[0]}`, { cause, field: 'config' })
  }
}

/** All values of a table, whatever tables they stand in. */
export function flattened(path: string, table: object): [string, Given][] {
  return Object.entries(table).flatMap(([key, value]: [string, unknown]): [string, Given][] => {
    if (isGiven(value)) return [[key, value]]
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)) {
      return flattened(path, value)
    }
    throw new StudioError('bad-file', `${path}: ${key}: expected text, a number, true or false, or a list of these`, {
      field: key,
    })
  })
}

function isGiven(value: unknown): value is Given {
  return (
    ['string', 'number', 'bigint', 'boolean'].includes(typeof value) || (Array.isArray(value) && value.every(isGiven))
  )
}
