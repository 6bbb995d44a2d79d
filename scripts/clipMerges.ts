import { readFileSync, writeFileSync } from 'node:fs'
import { byteOrder, firstMerge } from '../src/text/merges.ts'

/**
 * Packs CLIP's byte-pair merges (one `left right` a line, as openai/clip-vit-large-patch14 publishes them)
 * into assets/clip-merges.bin: two little-endian uint16 token ids a merge.
 * Usage: tsx scripts/clipMerges.ts test/golden/models/clip-tiny-l/merges.txt
 */
const [source] = process.argv.slice(2)
if (!source) throw new Error('usage: tsx scripts/clipMerges.ts MERGES.txt')

const ids = new Map<string, number>()
const letterOf = (byte: number) => String.fromCodePoint(printable.has(byte) ? byte : 256 + unprintable.indexOf(byte))
const printable = new Set([...Array(256).keys()].filter((byte) => /[!-~¡-¬®-ÿ]/u.test(String.fromCodePoint(byte))))
const unprintable = [...Array(256).keys()].filter((byte) => !printable.has(byte))
for (const [id, byte] of byteOrder.entries()) {
  ids.set(letterOf(byte), id)
  ids.set(`${letterOf(byte)}</w>`, 256 + id)
}

const merges = readFileSync(source, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#version'))
  .map((line) => line.split(' '))
const packed = new Uint16Array(merges.length * 2)
for (const [i, [left, right]] of merges.entries()) {
  const pair = [ids.get(left ?? ''), ids.get(right ?? '')]
  if (pair[0] === undefined || pair[1] === undefined) throw new Error(`${source}: merge ${i} of unknown parts`)
  packed.set([pair[0], pair[1]], i * 2)
  ids.set(`${left}${right}`, firstMerge + i)
}
writeFileSync(new URL('../assets/clip-merges.bin', import.meta.url), packed)
console.log(`${merges.length} merges`)
