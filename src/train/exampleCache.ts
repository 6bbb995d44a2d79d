import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Content } from '../dataset/emoji/captions.ts'
import { StudioError } from '../errors.ts'
import type { RunEvent } from './run.ts'

/** Scenes and, for each, a record of equal length: pictures or latents that are made once and read at random. */
export interface ExampleCache {
  readonly scenes: readonly Content[]
  read(index: number): Uint8Array<ArrayBuffer>
  close(): void
}

export interface ExampleMaking {
  readonly folder: string
  /** What the examples are called while they are made. */
  readonly what: string
  readonly count: number
  readonly recordBytes: number
  /** Examples of another key are not these: they are thrown away. */
  readonly key: string
  /** Made at once. */
  readonly batch: number
  make(from: number, to: number): Promise<readonly { readonly scene: Content; readonly record: Uint8Array }[]>
}

/**
 * Makes what is missing of a cache and opens it. Each example is a function of its number, so a cache that was cut off
 * anywhere is gone on with.
 */
export async function* cachedExamples(making: ExampleMaking): AsyncGenerator<RunEvent, ExampleCache> {
  const { folder, what, count, recordBytes, key, batch } = making
  const paths = {
    key: join(folder, 'key.json'),
    scenes: join(folder, 'scenes.jsonl'),
    records: join(folder, 'records'),
  }
  if (!existsSync(paths.key) || readFileSync(paths.key, 'utf8') !== key) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    for (const path of [paths.scenes, paths.records]) writeFileSync(path, '')
    writeFileSync(paths.key, key)
  }

  const lines = readFileSync(paths.scenes, 'utf8').split('\n').slice(0, -1)
  const done = Math.min(lines.length, Math.floor(statSync(paths.records).size / recordBytes), count)
  const kept = lines.slice(0, done)
  writeFileSync(paths.scenes, kept.map((line) => `${line}\n`).join(''))
  truncateSync(paths.records, done * recordBytes)
  const scenes = kept.map((line) => JSON.parse(line) as Content)
  for (let from = done; from < count; from += batch) {
    const examples = await making.make(from, Math.min(from + batch, count))
    for (const { record } of examples) {
      if (record.length !== recordBytes) throw new Error(`internal: a record of ${record.length} bytes`)
      appendFileSync(paths.records, record)
    }
    appendFileSync(paths.scenes, examples.map(({ scene }) => `${JSON.stringify(scene)}\n`).join(''))
    scenes.push(...examples.map(({ scene }) => scene))
    yield { kind: 'prepared', what, done: scenes.length, total: count }
  }

  const file = openSync(paths.records, 'r')
  return {
    scenes,
    read(index) {
      const bytes = new Uint8Array(recordBytes)
      if (readSync(file, bytes, 0, recordBytes, index * recordBytes) !== recordBytes) {
        throw new StudioError('bad-file', `${paths.records}: record ${index} is cut off`)
      }
      return bytes
    },
    close: () => closeSync(file),
  }
}
