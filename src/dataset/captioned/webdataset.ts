import { existsSync } from 'node:fs'
import { StudioError } from '../../errors.ts'
import { readTarFile, type TarEntry } from '../../files/tar.ts'
import { type CaptionedPicture, captionsIn, isPictureName } from './captionedPicture.ts'
import { readParquet } from './parquet.ts'

/**
 * The samples of a webdataset shard: neighbouring files `<key>.<kind>` of a tar archive. Captions are in the sample's
 * `txt`, `caption` or `json`, or else by its key in a parquet file beside the shard, as img2dataset writes one.
 */
export async function* readWebdataset(path: string): AsyncGenerator<CaptionedPicture> {
  const beside = await captionsBeside(path)
  let sample: TarEntry[] = []
  let key = ''
  const finished = () => pictureOf(path, key, sample, beside)
  for (const entry of readTarFile(path)) {
    const own = keyOf(entry.name)
    if (own !== key) {
      const picture = finished()
      if (picture) yield picture
      sample = []
      key = own
    }
    sample.push(entry)
  }
  const last = finished()
  if (last) yield last
}

/** A file's name up to the first dot, its folders included. */
function keyOf(name: string): string {
  const at = name.indexOf('.', name.lastIndexOf('/') + 1)
  return at < 0 ? name : name.slice(0, at)
}

function pictureOf(
  path: string,
  key: string,
  sample: readonly TarEntry[],
  beside: ReadonlyMap<string, readonly string[]>,
): CaptionedPicture | undefined {
  const picture = sample.find(({ name }) => isPictureName(name))
  if (!picture) return undefined
  const textOf = (ending: RegExp) => {
    const entry = sample.find(({ name }) => ending.test(name))
    return entry && new TextDecoder().decode(entry.bytes)
  }
  const text = textOf(/\.(?:txt|caption|text)$/)?.trim()
  if (text !== undefined && text !== '') return { key, bytes: picture.bytes, captions: [text] }
  const json = textOf(/\.json$/)
  if (json === undefined) return { key, bytes: picture.bytes, captions: beside.get(key) ?? [] }
  try {
    return { key, bytes: picture.bytes, captions: captionsIn(JSON.parse(json)) }
  } catch (cause) {
    throw new StudioError('bad-file', `${path}: ${key}.json: not JSON`, { field: path, cause })
  }
}

async function captionsBeside(path: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const table = path.replace(/\.tar$/i, '.parquet')
  const captions = new Map<string, readonly string[]>()
  if (table === path || !existsSync(table)) return captions
  for await (const row of readParquet(table, ['key', 'caption', 'text', 'TEXT'])) {
    if (typeof row.key === 'string') captions.set(row.key, captionsIn(row))
  }
  return captions
}
