import { badFile } from './badFile.ts'
import { toPlainValue } from './plainValue.ts'
import { readSmallText } from './smallText.ts'
import type { PlainMap } from './weights.ts'

/** Configuration files are a few kilobytes; indices of sharded weights a few hundred. */
const maxBytes = 2 ** 22

/** Reads a JSON file that must hold an object, as maps, so that no key can stand for something else. */
export function readPlainJson(path: string): PlainMap {
  const fail = (problem: string, cause?: unknown): never => {
    throw badFile(path, problem, cause)
  }
  let json: unknown
  try {
    json = JSON.parse(readSmallText(path, maxBytes))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    return fail('not JSON', cause)
  }
  const plain = toPlainValue(json, fail)
  return plain instanceof Map ? plain : fail('an object is expected')
}
