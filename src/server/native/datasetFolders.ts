import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../../errors.ts'

/** A name that is one folder's on every system. */
const folderName = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,98}[\p{L}\p{N}_-]$|^[\p{L}\p{N}]$/u

/** Sets of pictures below a data folder, by the names of their folders: callers name nothing else. */
export class DatasetFolders {
  readonly #root: string

  constructor(dataDir: string) {
    this.#root = join(dataDir, 'datasets')
  }

  names(): readonly string[] {
    if (!existsSync(this.#root)) return []
    return readdirSync(this.#root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && folderName.test(entry.name))
      .map(({ name }) => name)
      .sort()
  }

  /** The folder of a set that is there. */
  find(name: string, field = 'id'): string {
    const path = this.place(name, field)
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path
    throw new StudioError('not-found', `there is no set of pictures "${name}"`, { field })
  }

  /** Where a set of a name is, or would be. */
  place(name: string, field: string): string {
    return join(this.#root, checkedName(name, field))
  }
}

/** The name of a folder or file as a caller may choose it. */
export function checkedName(name: string, field: string): string {
  if (folderName.test(name) && !name.includes('..')) return name
  throw new StudioError(
    'bad-request',
    `${field}: "${name}" is no name of a folder: letters, digits, spaces, . _ and -`,
    {
      field,
    },
  )
}
