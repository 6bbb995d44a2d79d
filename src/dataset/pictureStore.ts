import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../errors.ts'
import { picture, type Rgba8 } from '../image/picture.ts'

const indexFile = 'index.json'
const pixelsFile = 'pictures.rgba'

/** A folder of square RGBA pictures in one file, with a record of each: made once, read at random. */
export interface PictureStore<Row> {
  readonly size: number
  readonly rows: readonly Row[]
  /** The picture of a row. */
  read(index: number): Rgba8
  close(): void
}

/** Writes a store; the index comes last, so a store that was interrupted is not taken for a whole one. */
export async function writePictureStore<Row>(
  folder: string,
  size: number,
  pictures: AsyncIterable<{ readonly row: Row; readonly picture: Rgba8 }>,
): Promise<number> {
  mkdirSync(folder, { recursive: true })
  rmSync(join(folder, indexFile), { force: true })
  const rows: Row[] = []
  const file = openSync(join(folder, pixelsFile), 'w')
  try {
    for await (const { row, picture } of pictures) {
      if (picture.width !== size || picture.height !== size) throw new Error('internal: a picture of another size')
      writeSync(file, picture.data)
      rows.push(row)
    }
  } finally {
    closeSync(file)
  }
  const temporary = join(folder, `${indexFile}.tmp`)
  writeFileSync(temporary, `${JSON.stringify({ size, rows }, null, 1)}\n`)
  renameSync(temporary, join(folder, indexFile))
  return rows.length
}

/** Opens a store made by `writePictureStore`. */
export function openPictureStore<Row>(folder: string): PictureStore<Row> {
  let index: { readonly size: number; readonly rows: readonly Row[] }
  try {
    index = JSON.parse(readFileSync(join(folder, indexFile), 'utf8'))
  } catch (cause) {
    throw new StudioError('missing-file', `${folder}: holds no finished picture store`, { cause })
  }
  const { size, rows } = index
  const bytes = size * size * 4
  const file = openSync(join(folder, pixelsFile), 'r')
  return {
    size,
    rows,
    read(row) {
      const data = new Uint8Array(bytes)
      if (readSync(file, data, 0, bytes, row * bytes) !== bytes) {
        throw new StudioError('bad-file', `${folder}: picture ${row} is cut off`)
      }
      return picture(4, size, size, data)
    },
    close: () => closeSync(file),
  }
}
