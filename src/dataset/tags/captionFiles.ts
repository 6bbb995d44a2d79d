import { existsSync, lstatSync, readFileSync, rmSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { StudioError } from '../../errors.ts'
import { badFile } from '../../files/badFile.ts'
import { readPlainJson } from '../../files/plainJson.ts'
import { replaceFile } from '../../files/replaceFile.ts'
import { includedPictures, type PictureSet } from '../pictureSet.ts'
import type { Captions } from './caption.ts'
import { changes } from './history.ts'

/** What each save changed, so that it can be taken back: caption files and their backups, below the set's folder. */
const journalFile = '.caption-saves.json'
const mostBackups = 1000

/** The captions of a set's pictures, '' where one has none. A caption that cannot be read is an error that names it. */
export function readCaptions(set: PictureSet): Captions {
  return new Map(
    includedPictures(set).map(({ name, caption, captionPath, captionProblem }) => {
      if (captionProblem !== undefined) throw badFile(captionPath, captionProblem)
      return [name, caption?.trim() ?? '']
    }),
  )
}

export interface Saved {
  /** Caption files that were written. */
  readonly written: readonly string[]
}

/**
 * Writes the captions that changed. What a file said before is kept beside it as `.000`, `.001` and so on, and
 * `undoSave` brings it back.
 */
export function saveCaptions(set: PictureSet, captions: Captions): Saved {
  const before = new Map(set.pictures.map(({ name, caption }) => [name, caption?.trim() ?? '']))
  const byName = new Map(set.pictures.map((picture) => [picture.name, picture]))
  const planned = changes(before, captions).map(({ name, after }) => {
    const { captionPath: path } = byName.get(name)!
    // A link is not followed: what it leads to may belong to another set.
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new StudioError('bad-file', `${path}: is a link; expected a caption file of the set’s own`, { field: path })
    }
    return { path, after, backup: existsSync(path) ? freeBackup(path) : undefined }
  })
  if (planned.length === 0) return { written: [] }
  const named = (path: string) => relative(set.root, path).split(sep).join('/')
  // The journal comes first, so that a save that breaks off can be taken back as far as it came.
  const entry = new Map(planned.map(({ path, backup }) => [named(path), backup === undefined ? null : named(backup)]))
  writeJournal(set.root, [...readJournal(set.root), entry])
  for (const { path, after, backup } of planned) {
    if (backup !== undefined) replaceFile(backup, [readFileSync(path)])
    replaceFile(path, [new TextEncoder().encode(`${after}\n`)])
  }
  return { written: [...entry.keys()] }
}

/** Takes the last save back; its backups go. */
export function undoSave(root: string): Saved {
  const saves = readJournal(root)
  const last = saves.at(-1)
  if (!last) throw new StudioError('bad-request', `${root}: no save of captions is left to take back`)
  for (const [path, backup] of last) {
    if (backup === null) rmSync(join(root, path), { force: true })
    else if (existsSync(join(root, backup))) {
      replaceFile(join(root, path), [readFileSync(join(root, backup))])
      rmSync(join(root, backup))
    }
  }
  writeJournal(root, saves.slice(0, -1))
  return { written: [...last.keys()] }
}

type Save = ReadonlyMap<string, string | null>

function readJournal(root: string): Save[] {
  const path = join(root, journalFile)
  if (!existsSync(path)) return []
  const saves = readPlainJson(path).get('saves')
  if (!Array.isArray(saves)) throw badFile(path, 'expected a list of saves')
  const isInside = (name: unknown) =>
    typeof name === 'string' && !name.startsWith('/') && !name.split('/').includes('..')
  for (const save of saves) {
    if (!(save instanceof Map)) throw badFile(path, 'expected a list of saves')
    for (const [name, backup] of save) {
      if (!isInside(name) || !(backup === null || isInside(backup)))
        throw badFile(path, `${name}: lies outside the set`)
    }
  }
  return saves as Save[]
}

function writeJournal(root: string, saves: readonly Save[]): void {
  const text = `${JSON.stringify({ saves: saves.map((save) => Object.fromEntries(save)) })}\n`
  replaceFile(join(root, journalFile), [new TextEncoder().encode(text)])
}

function freeBackup(path: string): string {
  const stem = path.replace(/\.[^./\\]*$/, '')
  for (let i = 0; i < mostBackups; i++) {
    const backup = `${stem}.${String(i).padStart(3, '0')}`
    if (!existsSync(backup)) return backup
  }
  throw new StudioError('too-large', `${path}: has ${mostBackups} backups; remove old ones`)
}
