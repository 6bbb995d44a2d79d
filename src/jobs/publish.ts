import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { placeFile, placeNumbered, saveWhole } from '../image/save.ts'
import type { SavingPlan } from './crew.ts'

/** A place that a picture of a running job has taken or is about to take. */
export interface Claim {
  readonly file: string
  readonly path: string
}

/**
 * Saves a file of a job's folder for good. Each path that is tried is claimed before anything can be there: so a job
 * that has to start over knows what its former attempt may have left.
 */
export async function publish(
  plan: SavingPlan,
  folder: string,
  claim: (path: string) => void | Promise<void>,
): Promise<string> {
  const { directory, basename, name, extension, isNumbered, companions } = plan
  const source = join(folder, plan.file)
  const place = async (path: string) => {
    await claim(path)
    return placeFile(source, path)
  }
  let path: string
  if (isNumbered) path = await placeNumbered({ directory, basename, decoration: name, extension }, place)
  else {
    path = join(directory, `${name}.${extension}`)
    // Without numbers a later picture takes the place of the one before, as in the reference.
    if (!(await place(path))) await saveWhole(path, await readFile(source))
  }
  for (const companion of companions) {
    const beside = `${path.slice(0, -extension.length)}${companion.extension}`
    await saveWhole(beside, await readFile(join(folder, companion.file)))
  }
  return path
}

/** Removes what an attempt has saved that will be made again. A file that is another's by now is left alone. */
export async function withdraw(claims: readonly Claim[], folder: string): Promise<void> {
  for (const { file, path } of claims) {
    const [ours, there] = await Promise.all([readOrNothing(join(folder, file)), readOrNothing(path)])
    if (ours && there?.equals(ours)) await rm(path, { force: true })
  }
}

async function readOrNothing(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch {
    return undefined
  }
}
