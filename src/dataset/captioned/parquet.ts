import { closeSync, openSync, statSync } from 'node:fs'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { StudioError } from '../../errors.ts'
import { readSlice } from '../../files/readWeight.ts'
import { type CaptionedPicture, captionsIn } from './captionedPicture.ts'

type Row = Readonly<Record<string, unknown>>

/** Rows read at once. */
const atOnce = 64

/** The rows of a parquet file; of some columns where these are named. Byte arrays that are no text stay bytes. */
export async function* readParquet(path: string, columns?: readonly string[]): AsyncGenerator<Row> {
  const { size } = statSync(path)
  const descriptor = openSync(path, 'r')
  const file = {
    byteLength: size,
    slice: (start: number, end = size) => readSlice(descriptor, path, start, end - start).buffer,
  }
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (cause) {
      if (cause instanceof StudioError) throw cause
      throw new StudioError('bad-file', `${path}: cannot be read as parquet: ${(cause as Error).message}`, { cause })
    }
  }
  try {
    const metadata = await attempt(() => parquetMetadataAsync(file))
    const known = new Set(metadata.schema.map(({ name }) => name))
    const wanted = columns?.filter((name) => known.has(name))
    const count = Number(metadata.num_rows)
    for (let rowStart = 0; rowStart < count; rowStart += atOnce) {
      const rowEnd = Math.min(rowStart + atOnce, count)
      const options = { file, metadata, rowStart, rowEnd, utf8: false, ...(wanted && { columns: wanted }) }
      yield* (await attempt(() => parquetReadObjects(options))) as readonly Row[]
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Columns under which data sets keep a picture's bytes, be they alone or in a record with a `path`. */
const pictureColumns = ['image', 'jpg', 'jpeg', 'png', 'webp', 'bytes'] as const

/** Pictures that lie in a parquet file beside their captions, as img2dataset and the Hugging Face hub write them. */
export async function* readParquetPictures(path: string): AsyncGenerator<CaptionedPicture> {
  let number = 0
  for await (const row of readParquet(path)) {
    const bytes = pictureColumns.map((column) => bytesIn(row[column])).find((found) => found !== undefined)
    if (bytes) {
      const key = typeof row.key === 'string' ? row.key : `${number}`
      yield { key, bytes, captions: captionsIn(row) }
    } else if (number === 0) {
      const names = Object.keys(row).join(', ')
      const problem = `holds no pictures, its columns are ${names}; addresses have to be fetched with img2dataset first`
      throw new StudioError('unsupported', `${path}: ${problem}`, { field: path })
    }
    number++
  }
}

function bytesIn(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'object' && value !== null && 'bytes' in value && value.bytes instanceof Uint8Array) {
    return value.bytes
  }
  return undefined
}
