/**
 * Writes drawings of the style that the embedded model was never shown to a folder for LoRA training, each with its name
 * as its caption. They are share-alike art, and so not part of this repository:
 *
 *     npx tsx scripts/outlinedSet.ts <data folder>/datasets/emoji-128 training/outlined/subjects.txt <folder>
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EmojiRow } from '../src/dataset/emoji/buildEmojiSet.ts'
import { onGround, whiteGround } from '../src/dataset/emoji/ground.ts'
import { nounOf, withArticle } from '../src/dataset/emoji/nouns.ts'
import { openPictureStore } from '../src/dataset/pictureStore.ts'
import { splitOf } from '../src/dataset/split.ts'
import { encodePng } from '../src/image/encode.ts'

const [drawings, subjects, folder] = process.argv.slice(2)
if (drawings === undefined || subjects === undefined || folder === undefined) {
  throw new Error('usage: outlinedSet.ts <store of drawings> <file of slugs> <folder>')
}
mkdirSync(folder, { recursive: true })
const store = openPictureStore<EmojiRow>(drawings)
for (const slug of readFileSync(subjects, 'utf8')
  .split('\n')
  .filter((line) => line !== '')) {
  const number = store.rows.findIndex((row) => row.slug === slug && splitOf(row) === 'other-style')
  if (number < 0) throw new Error(`no drawing of the style that was kept apart is called ${slug}`)
  writeFileSync(join(folder, `${slug}.png`), await encodePng(onGround(store.read(number), whiteGround)))
  writeFileSync(join(folder, `${slug}.txt`), `${withArticle(nounOf(store.rows[number]!))}\n`)
}
store.close()
