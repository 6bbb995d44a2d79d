import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, normalize, sep } from 'node:path'
import { StudioError } from '../../errors.ts'
import { type CaptionedPicture, captionsIn } from './captionedPicture.ts'

/** The pictures that a `metadata.jsonl` names: `{"file_name": "a.png", "text": "…"}` on each line, paths from its folder. */
export function* readMetadataLines(path: string): Generator<CaptionedPicture> {
  const lines = readFileSync(path, 'utf8').split(/\r?\n/)
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    const fail = (problem: string, cause?: unknown): never => {
      throw new StudioError('bad-file', `${path}: line ${i + 1}: ${problem}`, { field: path, cause })
    }
    const record = recordIn(line, fail)
    const name = record.file_name
    if (typeof name !== 'string') return fail('file_name is missing')
    const inside = normalize(name)
    if (isAbsolute(inside) || inside.split(sep)[0] === '..') return fail(`${name} lies outside the folder`)
    yield { key: name, bytes: readFileSync(join(dirname(path), inside)), captions: captionsIn(record) }
  }
}

function recordIn(line: string, fail: (problem: string, cause?: unknown) => never): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch (cause) {
    return fail('not JSON', cause)
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>
  return fail('expected an object')
}
