import { closeSync, type Dirent, openSync, readdirSync, readSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { StudioError } from '../../errors.ts'
import { type BytesInFile, EventFileReader, type LoggedEvent } from './readEvents.ts'

/** A number of a run at a step. */
export interface ScalarPoint {
  readonly wallTime: number
  readonly step: number
  readonly value: number
}

/** A picture of a run at a step. */
export interface LoggedPicture {
  readonly wallTime: number
  readonly step: number
  readonly place: BytesInFile
}

/** What is logged below a folder, by run and tag. */
export interface LoggedRun {
  /** The path of its folder below the logs' folder; `.` for that itself. */
  readonly name: string
  /** Seconds since 1970 of its first event. */
  readonly startedAt: number
  readonly scalars: ReadonlyMap<string, readonly ScalarPoint[]>
  readonly pictures: ReadonlyMap<string, readonly LoggedPicture[]>
}

const deepest = 8
const mostFolders = 5000
const mostFiles = 5000
/** Numbers kept of a tag: beyond, every second is forgotten. */
const mostPoints = 50_000
const mostTags = 1000
const mostPictures = 2000
/** Read from files at one look; the rest follows with the next. */
const bytesAtOnce = 64 << 20

interface Reading {
  readonly name: string
  startedAt: number
  hasStarted: boolean
  readonly readers: Map<string, EventFileReader>
  readonly scalars: Map<string, ScalarPoint[]>
  readonly pictures: Map<string, LoggedPicture[]>
}

/**
 * The event files below a folder as runs, one for each folder that holds some, as TensorBoard has them. A file that
 * grows is read on from where it was; a run that begins again forgets what it had logged from that step on.
 */
export class EventLogs {
  readonly #root: string
  readonly #runs = new Map<string, Reading>()

  constructor(root: string) {
    this.#root = root
  }

  /** Reads what is new, and tells all runs, the oldest first. */
  refresh(): readonly LoggedRun[] {
    const files = this.#find()
    for (const name of [...this.#runs.keys()]) if (!files.has(name)) this.#runs.delete(name)
    let left = bytesAtOnce
    for (const [name, paths] of files) {
      const run: Reading = this.#runs.get(name) ?? {
        name,
        startedAt: Number.POSITIVE_INFINITY,
        hasStarted: false,
        readers: new Map(),
        scalars: new Map(),
        pictures: new Map(),
      }
      this.#runs.set(name, run)
      for (const path of paths) {
        const reader = run.readers.get(path) ?? new EventFileReader(path)
        run.readers.set(path, reader)
        for (; left > 0; ) {
          const { events, bytes } = moreOf(reader)
          left -= bytes
          for (const event of events) take(run, event)
          if (bytes === 0) break
        }
      }
    }
    return [...this.#runs.values()]
      .filter(({ scalars, pictures }) => scalars.size > 0 || pictures.size > 0)
      .sort((a, b) => a.startedAt - b.startedAt || (a.name < b.name ? -1 : 1))
  }

  /** Event files by the folder they lie in. Links are not followed: they may lead anywhere. */
  #find(): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>()
    const waiting = [{ folder: this.#root, depth: 0 }]
    let [folders, files] = [0, 0]
    for (let next = waiting.shift(); next && folders < mostFolders && files < mostFiles; next = waiting.shift()) {
      folders++
      const { folder, depth } = next
      const name = relative(this.#root, folder).split(sep).join('/')
      for (const entry of entriesOf(folder)) {
        const path = join(folder, entry.name)
        if (entry.isDirectory() && depth < deepest) waiting.push({ folder: path, depth: depth + 1 })
        if (!entry.isFile() || !entry.name.includes('tfevents')) continue
        files++
        found.set(name === '' ? '.' : name, [...(found.get(name === '' ? '.' : name) ?? []), path])
      }
    }
    return found
  }
}

/** The bytes of a logged picture; only what begins as a PNG or JPEG does is one. */
export function readPicture({ path, offset, length }: BytesInFile): {
  readonly bytes: Uint8Array
  readonly type: string
} {
  const bytes = new Uint8Array(length)
  const file = openSync(path, 'r')
  try {
    readSync(file, bytes, 0, length, offset)
  } finally {
    closeSync(file)
  }
  const type = [137, 80, 78, 71].every((byte, i) => bytes[i] === byte)
    ? 'image/png'
    : [255, 216, 255].every((byte, i) => bytes[i] === byte)
      ? 'image/jpeg'
      : undefined
  if (type === undefined) throw new StudioError('bad-file', `${path}: a logged picture is neither PNG nor JPEG`)
  return { bytes, type }
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    // A folder may go, or be closed to us, while it is looked at.
    return []
  }
}

function moreOf(reader: EventFileReader): { readonly events: readonly LoggedEvent[]; readonly bytes: number } {
  const before = reader.offset
  try {
    return { events: reader.more(), bytes: reader.offset - before }
  } catch {
    return { events: [], bytes: 0 }
  }
}

function take(run: Reading, event: LoggedEvent): void {
  if (event.kind === 'start') {
    // The first one begins the run; only those after it begin it again.
    const isAgain = run.hasStarted
    run.hasStarted = true
    if (!isAgain) return
    for (const list of run.scalars.values()) forgetFrom(list, event.step)
    for (const list of run.pictures.values()) forgetFrom(list, event.step)
    return
  }
  const { tag, step, wallTime } = event
  run.startedAt = Math.min(run.startedAt, wallTime)
  const lists: Map<string, (ScalarPoint | LoggedPicture)[]> = event.kind === 'scalar' ? run.scalars : run.pictures
  const list = lists.get(tag) ?? []
  if (!lists.has(tag) && lists.size >= mostTags) return
  lists.set(tag, list)
  if (event.kind === 'scalar') {
    list.push({ wallTime, step, value: event.value })
    if (list.length > mostPoints)
      list.splice(0, list.length, ...list.filter((_, i) => i % 2 === 0 || i === list.length - 1))
  } else {
    list.push({ wallTime, step, place: event.place })
    if (list.length > mostPictures) list.shift()
  }
}

function forgetFrom<T extends { readonly step: number }>(list: T[], step: number): void {
  list.splice(0, list.length, ...list.filter((each) => each.step < step))
}
