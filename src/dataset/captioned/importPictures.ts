import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../../errors.ts'
import { toRgb, withAlpha } from '../../image/channels.ts'
import { decodePicture } from '../../image/decode.ts'
import { filled, type Picture, type Rgba8 } from '../../image/picture.ts'
import { fitPicture } from '../../image/resizeMode.ts'
import { writePictureStore } from '../pictureStore.ts'
import type { CaptionedPicture } from './captionedPicture.ts'
import { readImageFolder } from './imageFolder.ts'
import { readMetadataLines } from './metadataLines.ts'
import { readParquetPictures } from './parquet.ts'
import { readWebdataset } from './webdataset.ts'

/** One picture of a store made from somebody's data set. */
export interface CaptionedRow {
  readonly key: string
  readonly captions: readonly string[]
  /** Which of 25 equal parts of the set it belongs to; the first ones are held out of training. */
  readonly part: number
}

export interface ImportOptions {
  /** Folders of pictures, `metadata.jsonl` files, webdataset shards and parquet files, or folders of these. */
  readonly sources: readonly string[]
  readonly folder: string
  /** Side of the pictures, which are cut to squares, in pixels. */
  readonly size: number
  /** Called with what could not be used, and why. */
  readonly onSkip?: (key: string, problem: string) => void
  readonly onProgress?: (done: number) => void
}

const parts = 25

/** Makes a picture store of captioned pictures. What is no picture or has no caption is left out. Returns how many there are. */
export async function importPictures({ sources, folder, size, onSkip, onProgress }: ImportOptions): Promise<number> {
  async function* pictures() {
    let done = 0
    for (const source of sources) {
      for await (const { key, bytes, captions } of picturesOf(source)) {
        if (captions.length === 0) {
          onSkip?.(key, 'has no caption')
          continue
        }
        const drawn = await decoded(bytes)
        if (typeof drawn === 'string') {
          onSkip?.(key, drawn)
          continue
        }
        const row: CaptionedRow = { key, captions, part: done % parts }
        yield { row, picture: fitPicture(withOpacity(drawn), 'cover', size, size) }
        done++
        onProgress?.(done)
      }
    }
    if (done < 2) {
      const problem = `${done} pictures with captions, expected at least 2: one to learn from and one to be judged by`
      throw new StudioError('bad-request', `${sources.join(', ')}: ${problem}`)
    }
  }
  return await writePictureStore<CaptionedRow>(folder, size, pictures())
}

/** The pictures of a source, by what it is. */
function picturesOf(source: string): AsyncIterable<CaptionedPicture> | Iterable<CaptionedPicture> {
  const stats = statSync(source, { throwIfNoEntry: false })
  if (!stats) throw new StudioError('missing-file', `${source} does not exist`, { field: source })
  if (!stats.isDirectory()) return picturesOfFile(source)
  const lines = join(source, 'metadata.jsonl')
  if (existsSync(lines)) return readMetadataLines(lines)
  const names = readdirSync(source).sort()
  const shards = names.filter((name) => /\.tar$/i.test(name))
  // A parquet file beside a shard has the shard's captions.
  const files = shards.length > 0 ? shards : names.filter((name) => /\.parquet$/i.test(name))
  if (files.length === 0) return readImageFolder(source)
  return inTurn(files.map((name) => join(source, name)))
}

async function* inTurn(files: readonly string[]): AsyncGenerator<CaptionedPicture> {
  for (const file of files) yield* picturesOfFile(file)
}

function picturesOfFile(path: string): AsyncIterable<CaptionedPicture> | Iterable<CaptionedPicture> {
  if (/\.tar$/i.test(path)) return readWebdataset(path)
  if (/\.parquet$/i.test(path)) return readParquetPictures(path)
  if (/\.jsonl$/i.test(path)) return readMetadataLines(path)
  const expected = 'a folder, .jsonl, .tar or .parquet'
  throw new StudioError('unsupported', `${path}: is no data set that can be read; expected ${expected}`, {
    field: path,
  })
}

/** The picture, or why there is none: one bad file among thousands is no reason to stop. */
async function decoded(bytes: Uint8Array): Promise<Picture | string> {
  try {
    return await decodePicture(bytes)
  } catch (error) {
    if (error instanceof StudioError) return error.message
    throw error
  }
}

function withOpacity(source: Picture): Rgba8 {
  if (source.channels === 4) return source as Rgba8
  return withAlpha(toRgb(source), filled(1, source.width, source.height, [255]))
}
