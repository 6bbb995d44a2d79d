import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, parse, relative, sep } from 'node:path'
import { type CaptionedPicture, isPictureName } from './captionedPicture.ts'

/** Pictures of a folder and the folders in it, by name; the lines of `<name>.txt` or `<name>.caption` are captions. */
export function* readImageFolder(folder: string): Generator<CaptionedPicture> {
  for (const path of picturesBelow(folder)) {
    const { dir, name } = parse(path)
    const text = ['.txt', '.caption'].map((ending) => join(dir, name + ending)).find((file) => existsSync(file))
    const lines = text === undefined ? [] : readFileSync(text, 'utf8').split(/\r?\n/)
    yield {
      key: relative(folder, path).split(sep).join('/'),
      bytes: readFileSync(path),
      captions: lines.map((line) => line.trim()).filter((line) => line !== ''),
    }
  }
}

function picturesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && isPictureName(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
