import { statSync } from 'node:fs'
import { realpath, rm } from 'node:fs/promises'
import { basename, sep } from 'node:path'
import { StudioError } from '../errors.ts'
import { Database, type Migrations, type Row, type Value } from '../files/database.ts'
import { describePicture, type PictureFacts } from './describePicture.ts'

/** A picture of the gallery. */
export interface GalleryImage extends PictureFacts {
  /** Opaque to callers: paths stay inside. */
  readonly id: string
  readonly path: string
  readonly createdAt: Date
  readonly bytes: number
  readonly isFavourite: boolean
}

/** Which pictures are wanted. */
export interface GalleryQuery {
  /** Words or parts of words, all of which prompt or negative prompt must hold. */
  readonly text?: string
  readonly model?: string
  readonly from?: Date
  readonly to?: Date
  readonly isFavourite?: boolean
  /** Where a page before has ended. */
  readonly cursor?: string
  readonly limit?: number
}

export interface GalleryPage {
  /** Newest first. */
  readonly images: readonly GalleryImage[]
  readonly next: string | undefined
}

const layout: Migrations = [
  `CREATE TABLE images (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     path TEXT NOT NULL UNIQUE,
     created REAL NOT NULL,
     bytes INTEGER NOT NULL,
     width INTEGER NOT NULL,
     height INTEGER NOT NULL,
     infotext TEXT NOT NULL,
     prompt TEXT NOT NULL,
     negative TEXT NOT NULL,
     model TEXT,
     seed INTEGER,
     favourite INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE INDEX images_by_time ON images (created, id);
   CREATE INDEX images_by_model ON images (model, created, id);
   CREATE INDEX favourites ON images (created, id) WHERE favourite = 1;
   CREATE VIRTUAL TABLE words USING fts5 (prompt, negative, content = 'images', content_rowid = 'id', tokenize = 'trigram');
   CREATE TRIGGER images_added AFTER INSERT ON images BEGIN
     INSERT INTO words (rowid, prompt, negative) VALUES (new.id, new.prompt, new.negative);
   END;
   CREATE TRIGGER images_removed AFTER DELETE ON images BEGIN
     INSERT INTO words (words, rowid, prompt, negative) VALUES ('delete', old.id, old.prompt, old.negative);
   END;`,
]

/** The shortest text that the index of letter triples finds. */
const shortestIndexed = 3

/** The pictures of output folders, indexed by what they say about themselves. */
export class Gallery {
  readonly #database: Database
  readonly #roots: () => readonly string[]
  readonly #deleted: (path: string) => Promise<void>

  /**
   * `roots` are the folders whose pictures are shown; nothing outside them is ever read. `deleted` is told of files
   * that are about to go, where they are kept elsewhere too.
   */
  constructor(
    path: string,
    roots: () => readonly string[],
    deleted: (path: string) => Promise<void> = async () => undefined,
  ) {
    this.#database = new Database(path, layout)
    this.#roots = roots
    this.#deleted = deleted
  }

  get roots(): readonly string[] {
    return this.#roots()
  }

  /** Takes a picture file in, or answers the id it has. One that is no picture, or outside, is left out. */
  async add(path: string): Promise<string | undefined> {
    const known = this.#database.first('SELECT id FROM images WHERE path = ?', path)
    if (known) return String(known.id)
    if (!(await this.#isInside(path))) return undefined
    const facts = await describePicture(path)
    return facts && this.addKnown(path, facts)
  }

  /** Takes in a picture that was just saved, of which nothing needs to be read. */
  addKnown(path: string, facts: PictureFacts): string {
    const { size, mtimeMs } = statSync(path)
    const { width, height, infotext, prompt, negativePrompt, model, seed } = facts
    const { id } = this.#database.run(
      `INSERT INTO images (path, created, bytes, width, height, infotext, prompt, negative, model, seed)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (path) DO UPDATE SET bytes = excluded.bytes`,
      ...[path, mtimeMs, size, width, height, infotext, prompt, negativePrompt, model ?? null, seed ?? null],
    )
    return String(id)
  }

  idOf(path: string): string | undefined {
    const row = this.#database.first('SELECT id FROM images WHERE path = ?', path)
    return row && String(row.id)
  }

  find(query: GalleryQuery = {}): GalleryPage {
    const { limit = 50, cursor } = query
    const conditions: string[] = []
    const values: Value[] = []
    const add = (condition: string, ...more: readonly Value[]) => {
      conditions.push(condition)
      values.push(...more)
    }
    for (const word of wordsOf(query.text ?? '')) {
      if ([...word].length >= shortestIndexed) {
        add('id IN (SELECT rowid FROM words WHERE words MATCH ?)', `"${word.replaceAll('"', '""')}"`)
      } else add("(prompt LIKE ? ESCAPE '\\' OR negative LIKE ? ESCAPE '\\')", ...Array(2).fill(`%${escaped(word)}%`))
    }
    if (query.model !== undefined) add('model = ?', query.model)
    if (query.from) add('created >= ?', query.from.getTime())
    if (query.to) add('created < ?', query.to.getTime())
    if (query.isFavourite) add('favourite = 1')
    if (cursor !== undefined) add('(created, id) < (?, ?)', ...readCursor(cursor))
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    const images = this.#database
      .all(`SELECT * FROM images ${where} ORDER BY created DESC, id DESC LIMIT ?`, ...values, limit + 1)
      .map(imageOf)
    const page = images.slice(0, limit)
    const last = page.at(-1)
    return { images: page, next: images.length > limit && last ? `${last.createdAt.getTime()}-${last.id}` : undefined }
  }

  get(id: string): GalleryImage {
    const row = /^\d{1,15}$/.test(id)
      ? this.#database.first('SELECT * FROM images WHERE id = ?', Number(id))
      : undefined
    if (!row) throw unknownImage(id)
    return imageOf(row)
  }

  /** A picture's file, made sure that it lies where pictures lie, whatever links are on the way. */
  async file(id: string): Promise<GalleryImage> {
    const image = this.get(id)
    if (await this.#isInside(image.path)) return image
    throw unknownImage(id)
  }

  setFavourite(id: string, isFavourite: boolean): GalleryImage {
    this.get(id)
    this.#database.run('UPDATE images SET favourite = ? WHERE id = ?', Number(isFavourite), Number(id))
    return this.get(id)
  }

  /** Deletes a picture and the text beside it. */
  async delete(id: string): Promise<void> {
    const { path } = await this.file(id)
    for (const each of [path, path.replace(/\.[^.]+$/, '.txt')]) {
      await this.#deleted(each)
      await rm(each, { force: true })
    }
    this.forget(path)
  }

  /** Takes out a picture that is gone. */
  forget(path: string): void {
    this.#database.run('DELETE FROM images WHERE path = ?', path)
  }

  /** Paths of all pictures of the index. */
  paths(): readonly string[] {
    return this.#database.all('SELECT path FROM images').map(({ path }) => String(path))
  }

  close(): void {
    this.#database.close()
  }

  async #isInside(path: string): Promise<boolean> {
    try {
      const real = await realpath(path)
      const roots = await Promise.all(this.#roots().map((root) => realpath(root).catch(() => undefined)))
      return roots.some((root) => root !== undefined && real.startsWith(root + sep))
    } catch {
      return false
    }
  }
}

function wordsOf(text: string): readonly string[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .slice(0, 20)
}

function escaped(word: string): string {
  return word.replace(/[\\%_]/g, (character) => `\\${character}`)
}

function readCursor(cursor: string): readonly [number, number] {
  const match = /^(\d+(?:\.\d+)?)-(\d+)$/.exec(cursor)
  if (!match) throw new StudioError('bad-request', 'cursor: expected the "next" of a page before', { field: 'cursor' })
  return [Number(match[1]), Number(match[2])]
}

function imageOf(row: Row): GalleryImage {
  return {
    id: String(row.id),
    path: String(row.path),
    createdAt: new Date(Number(row.created)),
    bytes: Number(row.bytes),
    width: Number(row.width),
    height: Number(row.height),
    infotext: String(row.infotext),
    prompt: String(row.prompt),
    negativePrompt: String(row.negative),
    model: row.model === null ? undefined : String(row.model),
    seed: row.seed === null ? undefined : Number(row.seed),
    isFavourite: row.favourite === 1,
  }
}

function unknownImage(id: string): StudioError {
  return new StudioError('not-found', `there is no image ${id.slice(0, 40)}`)
}

/** The name a picture is shown and downloaded under. */
export function fileNameOf({ path }: GalleryImage): string {
  return basename(path)
}
