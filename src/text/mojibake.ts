import { fromWindows1252 } from './windows1252.ts'

const byteOf: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 128 }, (_, i) => [fromWindows1252(128 + i), 128 + i]),
)

const classOf = (from: number, to: number) =>
  `[${Array.from({ length: to - from + 1 }, (_, i) => fromWindows1252(from + i)).join('')}]`
const rest = classOf(0x80, 0xbf)
const sequence = new RegExp(
  `${classOf(0xc2, 0xdf)}${rest}|${classOf(0xe0, 0xef)}${rest}{2}|${classOf(0xf0, 0xf4)}${rest}{3}`,
  'gu',
)
/** Signs that hardly follow a capital in honest text. */
const oddAfterCapital = '€ƒ†‡ˆ‰˜¢-¨ª¬¯-³µ¶¸-º¼-¾'
const tellingPair = new RegExp(`^(?:[ÂÃÎÐ]|[Ä-ÑØÜÝ][${oddAfterCapital}])`, 'u')
/** Signs that do follow an accented letter: É…” */
const punctuation = /^[\x80-\uffff][\u00a0«»®©°²³™‘’“”‚„–—…‹›]*$/u

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Restores UTF-8 that was read as Windows-1252 (`cafÃ©` to `café`), in a text where at least one such
 * sequence could hardly be anything else. A simplification of ftfy's repair, which also weighs other
 * encodings and neighbouring letters.
 */
export function restoreUtf8(text: string): string {
  const found = [...text.matchAll(sequence)]
  if (!found.some(([signs]) => decode(signs) !== signs && isTelling(signs))) return text
  return text.replace(sequence, decode)
}

/** Â, Ã (Latin), Î (Greek), Ð (Cyrillic) before any sign, others before odd ones, longer ones unless punctuation. */
function isTelling(signs: string): boolean {
  return tellingPair.test(signs) || (signs.length > 2 && !punctuation.test(signs))
}

function decode(signs: string): string {
  try {
    return utf8.decode(Uint8Array.from(signs, (sign) => byteOf.get(sign)!))
  } catch {
    return signs
  }
}
