import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'
import { StudioError } from '../errors.ts'
import { type Exclusions, readExclusions } from './exclusions.ts'
import { type RepeatedFolder, repeatedFolders } from './trainingFolder.ts'

/** A picture of a set and the text beside it. */
export interface SetPicture {
  /** Path below the set's folder, with `/` between its parts: how the picture is called everywhere. */
  readonly name: string
  readonly path: string
  readonly folder: RepeatedFolder
  /** Where its caption lies, or would lie. */
  readonly captionPath: string
  /** The whole text; undefined without a file or where it cannot be read. */
  readonly caption: string | undefined
  /** Why a caption that is there cannot be read. */
  readonly captionProblem: string | undefined
}

/** A file of the folder that is not taken, and why. */
export interface FileProblem {
  readonly name: string
  readonly problem: string
}

/** A folder of pictures to learn from, as it lies on the disk. */
export interface PictureSet {
  readonly root: string
  readonly folders: readonly RepeatedFolder[]
  /** All pictures, those left out too, in the order of their names. */
  readonly pictures: readonly SetPicture[]
  readonly excluded: Exclusions
  readonly problems: readonly FileProblem[]
  readonly notes: readonly string[]
}

export interface SetOptions {
  /** Extension of captions; `.txt` where none is asked for, or `.caption` where only that is there. */
  readonly captionExtension?: string | undefined
  readonly maxPictures?: number
}

const pictureExtension = /\.(?:png|jpe?g|webp|bmp|avif)$/i
/** What lies beside pictures by right. */
const companion = /\.(?:txt|caption|npz|json|safetensors|\d{3})$|^\./i

const longestCaption = 1 << 20
const mostPictures = 200_000

/**
 * Opens a folder of pictures: the parent of folders `<repeats>_<name>`, or such a folder itself. Links that lead out of
 * it, files that are no files and pictures that share a caption are told, not taken.
 */
export function openSet(root: string, { captionExtension, maxPictures = mostPictures }: SetOptions = {}): PictureSet {
  const { folders, notes } = repeatedFolders(root, root)
  const top = realpathSync(root)
  const pictures: SetPicture[] = []
  const problems: FileProblem[] = []
  for (const folder of folders) {
    const stems = new Map<string, string>()
    for (const file of readdirSync(folder.folder).sort()) {
      const path = join(folder.folder, file)
      const name = relative(root, path).split(sep).join('/')
      const problem = problemOf(path, file, top)
      if (problem === 'not a picture') continue
      const stem = path.slice(0, -extname(path).length)
      const twin = stems.get(stem.toLowerCase())
      if (problem !== undefined) problems.push({ name, problem })
      else if (twin !== undefined) problems.push({ name, problem: `shares its caption with ${twin}` })
      else {
        stems.set(stem.toLowerCase(), file)
        pictures.push({ name, path, folder, ...captionOf(stem, captionExtension, top) })
      }
      if (pictures.length > maxPictures) {
        throw new StudioError('too-large', `${root}: over ${maxPictures} pictures; divide the set`, { field: root })
      }
    }
  }
  return { root, folders, pictures, excluded: readExclusions(root), problems, notes }
}

/** The pictures that are not left out. */
export function includedPictures({ pictures, excluded }: PictureSet): readonly SetPicture[] {
  return pictures.filter(({ name }) => !excluded.has(name))
}

function problemOf(path: string, file: string, top: string): string | undefined {
  const isPicture = pictureExtension.test(file)
  if (!isPicture && companion.test(file)) return 'not a picture'
  if (lstatSync(path).isSymbolicLink() && !leadsInside(path, top)) {
    return isPicture ? 'a link that leads out of the folder' : 'not a picture'
  }
  const stats = statSync(path)
  if (stats.isDirectory()) return isPicture ? 'a folder' : 'not a picture'
  if (!isPicture) return 'of a kind that is not read'
  if (!stats.isFile()) return 'neither a file nor a link to one'
  return stats.size === 0 ? 'an empty file' : undefined
}

function leadsInside(path: string, top: string): boolean {
  try {
    return realpathSync(path).startsWith(top + sep)
  } catch {
    // It leads nowhere.
    return false
  }
}

type Captioned = Pick<SetPicture, 'captionPath' | 'caption' | 'captionProblem'>

function captionOf(stem: string, extension: string | undefined, top: string): Captioned {
  const paths = (extension === undefined ? ['.txt', '.caption'] : [`.${extension.replace(/^\./, '')}`]).map(
    (each) => stem + each,
  )
  const captionPath = paths.find((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined) ?? paths[0]!
  const without = (captionProblem: string | undefined) => ({ captionPath, caption: undefined, captionProblem })
  const stats = lstatSync(captionPath, { throwIfNoEntry: false })
  if (!stats) return without(undefined)
  if (stats.isSymbolicLink() && !leadsInside(captionPath, top)) return without('a link that leads out of the folder')
  const { size } = statSync(captionPath)
  if (!statSync(captionPath).isFile()) return without('not a file')
  if (size > longestCaption) return without(`${size} bytes, expected at most ${longestCaption}`)
  try {
    const caption = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(captionPath))
    return { captionPath, caption, captionProblem: undefined }
  } catch {
    return without('not UTF-8 text')
  }
}
