import { rasterizeSvg } from '../../image/rasterizeSvg.ts'
import { writePictureStore } from '../pictureStore.ts'
import { type ArtSet, artSets, names } from './artSets.ts'
import { fetchPackage, jsonOf } from './fetchPackage.ts'
import { keyOf, type Subject, subjectsOf } from './subjects.ts'

/** One drawing of a subject in one style. */
export interface EmojiRow extends Subject {
  readonly set: ArtSet['id']
  readonly style: string
  readonly use: ArtSet['use']
}

interface IconSet {
  readonly width?: number
  readonly height?: number
  readonly icons: Readonly<Record<string, Icon>>
}

interface Icon {
  readonly body: string
  readonly hidden?: boolean
  readonly left?: number
  readonly top?: number
  readonly width?: number
  readonly height?: number
}

export interface BuildOptions {
  readonly folder: string
  readonly cacheDir: string
  /** Side of the pictures in pixels. */
  readonly size: number
  readonly onProgress?: (set: string, done: number) => void
}

/**
 * Draws every named emoji of the pinned art sets on a transparent ground into a picture store. The same versions give
 * the same rows in the same order. Returns how many there are.
 */
export async function buildEmojiSet({ folder, cacheDir, size, onProgress }: BuildOptions): Promise<number> {
  const subjects = subjectsOf(await fetchPackage(names, cacheDir))
  async function* drawings() {
    for (const set of artSets) {
      const iconSet = jsonOf<IconSet>(await fetchPackage(set, cacheDir), 'icons.json')
      let done = 0
      for (const [name, icon] of Object.entries(iconSet.icons).sort(([a], [b]) => (a < b ? -1 : 1))) {
        const subject = subjects.get(keyOf(name))
        if (!subject || icon.hidden) continue
        const row: EmojiRow = { ...subject, set: set.id, style: set.style, use: set.use }
        yield { row, picture: await rasterizeSvg(svgOf(icon, iconSet), size) }
        onProgress?.(set.id, ++done)
      }
    }
  }
  return await writePictureStore<EmojiRow>(folder, size, drawings())
}

function svgOf(icon: Icon, set: IconSet): string {
  const { left = 0, top = 0, width = set.width ?? 16, height = set.height ?? 16 } = icon
  const box = `viewBox="${left} ${top} ${width} ${height}" width="${width}" height="${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ${box}>${icon.body}</svg>`
}
