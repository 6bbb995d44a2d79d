import { randomInt } from 'node:crypto'
import type { Endpoint } from '../../pipeline/wire/request.ts'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

/** The id by which `/internal/progress` knows a request: the one it brings along, or one of A1111's making. */
export function taskId(endpoint: Endpoint, given: unknown): string {
  if (typeof given === 'string' && given !== '') return given
  const mark = Array.from({ length: 7 }, () => letters[randomInt(letters.length)]).join('')
  return `task(${endpoint}-${mark})`
}
