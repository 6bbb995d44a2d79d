import { existsSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { badFile } from '../files/badFile.ts'
import { readPlainJson } from '../files/plainJson.ts'
import { replaceFile } from '../files/replaceFile.ts'

/** The file in a set's folder that lists pictures left out of it, which themselves stay where they are. */
const excludedFile = 'excluded-pictures.json'

/** Pictures left out of a set, by their path below it, with the reason. */
export type Exclusions = ReadonlyMap<string, string>

/** Reads a set's list of pictures left out; without one, none are. */
export function readExclusions(root: string): Exclusions {
  const path = join(root, excludedFile)
  if (!existsSync(path)) return new Map()
  const listed = readPlainJson(path).get('excluded')
  if (!(listed instanceof Map)) throw badFile(path, 'expected {"excluded": {"<picture>": "<reason>"}}')
  for (const [name, reason] of listed) {
    if (typeof reason !== 'string') throw badFile(path, `${name}: expected a reason as text`)
    if (isAbsolute(name) || name.split('/').includes('..')) throw badFile(path, `${name}: lies outside the folder`)
  }
  return listed as ReadonlyMap<string, string>
}

/** Writes the list anew. */
export function writeExclusions(root: string, excluded: Exclusions): void {
  const sorted = [...excluded].sort(([a], [b]) => (a < b ? -1 : 1))
  const text = `${JSON.stringify({ excluded: Object.fromEntries(sorted) }, null, 2)}\n`
  replaceFile(join(root, excludedFile), [new TextEncoder().encode(text)])
}

/** Whether pictures of a folder are left out, by its own list or, where it is one of several, by that of the set. */
export function excludedIn(folder: string): (file: string) => boolean {
  const own = readExclusions(folder)
  const ofSet = readExclusions(dirname(folder))
  return (file) => own.has(file) || ofSet.has(`${basename(folder)}/${file}`)
}
