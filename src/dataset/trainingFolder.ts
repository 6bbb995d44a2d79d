import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { StudioError } from '../errors.ts'
import { excludedIn } from './exclusions.ts'

/** A folder of pictures and how often each is drawn in an epoch. */
export interface RepeatedFolder {
  readonly folder: string
  readonly repeats: number
  /** What the folder's name says, a caption for pictures without one. */
  readonly classTokens: string | undefined
}

export interface CaptionedPicture {
  readonly path: string
  /** The whole text of the caption's file; undefined without one. */
  readonly caption: string | undefined
}

const pictureExtension = /\.(?:png|jpe?g|webp|bmp|avif)$/i

/**
 * The folders `<repeats>_<name>` in a data folder, as kohya's trainer reads it. A folder that holds pictures itself, the
 * last of its kind, is taken as one with a single repeat. Notes say what was passed over.
 */
export function repeatedFolders(
  parent: string,
  field: string,
): { folders: readonly RepeatedFolder[]; notes: readonly string[] } {
  if (!isFolder(parent)) throw new StudioError('missing-file', `${field}: ${parent} is no folder`, { field })
  const notes: string[] = []
  const folders: RepeatedFolder[] = []
  for (const name of readdirSync(parent).sort()) {
    const folder = join(parent, name)
    if (!isFolder(folder)) continue
    const match = /^(\d+)_(.*)$/.exec(name)
    if (!match || Number(match[1]) < 1) {
      if (hasPictures(folder)) notes.push(`${name}: left out, as its name has no repeats (such as 10_${name})`)
      continue
    }
    folders.push({ folder, repeats: Number(match[1]), classTokens: match[2] || undefined })
  }
  if (folders.length > 0) return { folders, notes }
  if (hasPictures(parent)) {
    const named = /^(\d+)_(.*)$/.exec(basename(parent))
    const repeats = named && Number(named[1]) > 0 ? Number(named[1]) : 1
    const classTokens = named?.[2] || undefined
    notes.push(
      `${parent}: holds pictures itself and is taken as one folder with ${repeats} ${repeats === 1 ? 'repeat' : 'repeats'}`,
    )
    return { folders: [{ folder: parent, repeats, classTokens }], notes }
  }
  throw new StudioError(
    'missing-file',
    `${field}: no pictures in ${parent}, expected folders such as 10_name with pictures, or pictures`,
    { field },
  )
}

/** Extensions of captions where none is asked for: kohya's default, and what everybody uses. */
const usualExtensions = ['.caption', '.txt']

/** The pictures of a folder in the order of their names, with their captions; without those that are left out. */
export function captionedPictures(folder: string, captionExtension: string | undefined): readonly CaptionedPicture[] {
  if (!isFolder(folder)) throw new StudioError('missing-file', `${folder}: is no folder`, { field: folder })
  const extensions = captionExtension === undefined ? usualExtensions : [`.${captionExtension.replace(/^\./, '')}`]
  const isExcluded = excludedIn(folder)
  return readdirSync(folder)
    .filter((name) => pictureExtension.test(name) && !isExcluded(name))
    .sort()
    .map((name) => {
      const stem = name.slice(0, name.lastIndexOf('.'))
      return { path: join(folder, name), caption: captionOf(folder, stem, extensions) }
    })
}

/** A picture cut out around a face carries four numbers in its name, which its caption does without. */
function captionOf(folder: string, stem: string, extensions: readonly string[]): string | undefined {
  const parts = stem.split('_')
  const stems = parts.length >= 5 ? [stem, parts.slice(0, -4).join('_')] : [stem]
  const candidates = stems.flatMap((name) => extensions.map((extension) => join(folder, name + extension)))
  const path = candidates.find((candidate) => existsSync(candidate))
  if (path === undefined) return undefined
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (cause) {
    throw new StudioError('bad-file', `${path}: a caption must be UTF-8 text`, { cause, field: path })
  }
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n')
}

function hasPictures(folder: string): boolean {
  return readdirSync(folder).some((name) => pictureExtension.test(name))
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
