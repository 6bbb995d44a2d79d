import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StudioError } from '../errors.ts'
import type { Picture } from './picture.ts'
import { resample } from './resample.ts'

/** Bytes of a file name that every common file system takes. */
const longestNameBytes = 255
/** Numbers tried when others save into the same directory at the same time. */
const attempts = 500

/** Where a numbered file goes: `00012-<decoration>.png`, or `grid-0012.png` with a basename. */
export interface NumberedFile {
  readonly directory: string
  /** Empty for pictures, `grid` and the like for what is counted apart. */
  readonly basename: string
  readonly decoration: string
  readonly extension: string
}

/** One more than the highest number that files of this basename begin with; 0 in an empty or missing directory. */
export async function nextNumber(directory: string, basename: string): Promise<number> {
  return numberAfter(await readdir(directory).catch(() => []), basename)
}

/** One more than the highest number that names of this basename begin with. */
export function numberAfter(names: Iterable<string>, basename: string): number {
  const prefix = basename === '' ? '' : `${basename}-`
  let highest = -1
  for (const name of names) {
    const digits = name.startsWith(prefix) ? /^(\d{1,15})(?=[-.]|$)/.exec(name.slice(prefix.length))?.[1] : undefined
    if (digits !== undefined) highest = Math.max(highest, Number(digits))
  }
  return highest + 1
}

/** Saves bytes under the next free number and returns the path. The file appears whole or not at all. */
export async function saveNumbered(file: NumberedFile, bytes: Uint8Array | string): Promise<string> {
  const { directory } = file
  await translateErrors(directory, () => mkdir(directory, { recursive: true }))
  return throughTemporary(directory, bytes, (temporary) =>
    placeNumbered(file, async (path) => {
      if (!(await reserve(path))) return false
      await rename(temporary, path)
      return true
    }),
  )
}

/** Offers paths under the numbers from `from`, or the next free one, until `place` has taken one, and returns that. */
export async function placeNumbered(
  { directory, basename, decoration, extension }: NumberedFile,
  place: (path: string) => Promise<boolean>,
  from?: number,
): Promise<string> {
  const first = from ?? (await nextNumber(directory, basename))
  for (let number = first; number < first + attempts; number++) {
    const counter = basename === '' ? String(number).padStart(5, '0') : `${basename}-${String(number).padStart(4, '0')}`
    const stem = decoration === '' ? counter : `${counter}-${decoration}`
    const path = join(directory, `${shortened(stem, `.${extension}`)}.${extension}`)
    if (await place(path)) return path
  }
  throw new StudioError('no-space', `${directory}: no free number after ${first}`, { field: directory })
}

/** Gives a file a second name where nothing has that name yet; false where something has. It appears whole. */
export async function placeFile(source: string, path: string): Promise<boolean> {
  const directory = dirname(path)
  return translateErrors(directory, async () => {
    await mkdir(directory, { recursive: true })
    try {
      await link(source, path)
      return true
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code === 'EEXIST') return false
      if (code === undefined || !unlinkable.has(code)) throw cause
    }
    return throughTemporary(directory, await readFile(source), async (temporary) => {
      if (!(await reserve(path))) return false
      await rename(temporary, path)
      return true
    })
  })
}

/** What file systems say that know no second names, or none from elsewhere. */
const unlinkable: ReadonlySet<string> = new Set(['EXDEV', 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'])

/** Writes a file whole or not at all: into a temporary one beside it, which is then renamed. */
export async function saveWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  const directory = dirname(path)
  await translateErrors(directory, () => mkdir(directory, { recursive: true }))
  await throughTemporary(directory, bytes, (temporary) => rename(temporary, path))
}

async function throughTemporary<T>(
  directory: string,
  bytes: Uint8Array | string,
  finish: (temporary: string) => Promise<T>,
): Promise<T> {
  const temporary = join(directory, `.${randomUUID()}.tmp`)
  return translateErrors(directory, async () => {
    try {
      await writeFile(temporary, bytes, { flag: 'wx' })
      return await finish(temporary)
    } finally {
      await rm(temporary, { force: true })
    }
  })
}

/** Takes a name by creating an empty file, so that two programs cannot take the same one. */
async function reserve(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close()
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause
  }
}

async function translateErrors<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof StudioError) throw cause
    const { code, message } = cause as NodeJS.ErrnoException
    const isFull = code === 'ENOSPC' || code === 'EDQUOT'
    throw new StudioError(isFull ? 'no-space' : 'missing-file', `${where}: ${message}`, { cause, field: where })
  }
}

/** A stem cut so that with its ending it fits into a file name, between characters and not within one. */
function shortened(stem: string, ending: string): string {
  let room = longestNameBytes - Buffer.byteLength(ending)
  let kept = ''
  for (const character of stem) {
    room -= Buffer.byteLength(character)
    if (room < 0) return kept.replace(/[ .]+$/, '')
    kept += character
  }
  return kept
}

/** Beyond which a picture gets a smaller copy that websites accept. */
export interface SharingLimits {
  readonly side: number
  readonly bytes: number
}

/** The copy to share of a picture whose file has `fileBytes`: at most `side` wide and high; undefined if none is needed. */
export function sharingCopy(source: Picture, fileBytes: number, limits: SharingLimits): Picture | undefined {
  const longest = Math.max(source.width, source.height)
  if (longest <= limits.side) return fileBytes > limits.bytes ? source : undefined
  const scaled = (side: number) => Math.max(Math.round((side * limits.side) / longest), 1)
  return resample(source, scaled(source.width), scaled(source.height), 'lanczos')
}
