import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../../errors.ts'

/**
 * Templates that are there without a file, by the names that A1111's have. `[name]` is the embedding, `[filewords]` a
 * picture's words.
 */
const bundled: Readonly<Record<string, readonly string[]>> = {
  'none.txt': ['[name]'],
  'subject.txt': [
    'a picture of [name]',
    '[name]',
    'an image that shows [name]',
    'here is [name]',
    '[name] in the middle of the picture',
    'one more view of [name]',
    '[name], seen from near by',
    '[name], seen from afar',
    'a sharp picture of [name]',
    'a simple picture of [name]',
    '[name] on its own',
    'this is what [name] looks like',
  ],
  'subject_filewords.txt': [
    'a picture of [name], [filewords]',
    '[name], [filewords]',
    'an image that shows [name], [filewords]',
    '[filewords], [name]',
    'one more view of [name], [filewords]',
    '[name], seen from near by, [filewords]',
    'a sharp picture of [name], [filewords]',
    'this is what [name] looks like, [filewords]',
  ],
  'style.txt': [
    'a picture in the style of [name]',
    'drawn in the style of [name]',
    'in the style of [name]',
    '[name] style',
    'an image that looks as if [name] had made it',
    'a small study in the style of [name]',
    'a whole scene in the style of [name]',
    'a still life in the style of [name]',
    'a landscape in the style of [name]',
    'a portrait in the style of [name]',
  ],
  'style_filewords.txt': [
    '[filewords], in the style of [name]',
    'a picture of [filewords] in the style of [name]',
    '[filewords], drawn in the style of [name]',
    '[filewords], [name] style',
    'in the style of [name], [filewords]',
    '[filewords], as if [name] had made it',
    'a small study of [filewords] in the style of [name]',
    'a whole scene with [filewords] in the style of [name]',
  ],
  'hypernetwork.txt': [
    '[filewords]',
    'a picture of [filewords]',
    'an image that shows [filewords]',
    'a sharp picture of [filewords]',
    'a simple picture of [filewords]',
  ],
}

/** Where templates of one's own lie, below the data folder. */
export const templateFolder = 'textual_inversion_templates'

const largestFile = 1 << 20

/** The lines of a template: of a file of the data folder, else of those that are always there. */
export function readTemplate(dataDir: string, name: string): readonly string[] {
  const field = 'template_filename'
  if (!/^[\p{L}\p{N}_-][\p{L}\p{N}_.() -]{0,99}$/u.test(name) || name.includes('..')) {
    throw new StudioError(
      'bad-request',
      `${field}: found "${name}", expected the name of a file in ${templateFolder}`,
      {
        field,
      },
    )
  }
  const path = join(dataDir, templateFolder, name)
  if (existsSync(path)) {
    const text = readFileSync(path)
    if (text.length > largestFile) {
      throw new StudioError(
        'too-large',
        `${field}: ${name} has ${text.length} bytes, expected at most ${largestFile}`,
        {
          field,
        },
      )
    }
    const lines = linesOf(text.toString('utf8'))
    if (lines.length === 0) throw new StudioError('bad-file', `${field}: ${name} has no lines`, { field })
    return lines
  }
  if (Object.hasOwn(bundled, name)) return bundled[name]!
  const names = Object.keys(bundled).join(', ')
  throw new StudioError(
    'unknown-name',
    `${field}: no file "${name}" in ${templateFolder}; without one there are ${names}`,
    { field },
  )
}

function linesOf(text: string): readonly string[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
