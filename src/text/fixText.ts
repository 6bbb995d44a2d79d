import { unescapeHtmlClosed } from './html.ts'
import { restoreUtf8 } from './mojibake.ts'
import { fromWindows1252 } from './windows1252.ts'

/**
 * Text as CLIP's tokenizers see it: both clean with ftfy, so curly quotes are straight, full-width letters
 * are ordinary ones, ligatures are spelt out, line ends are `\n`, controls are gone, `&amp;` is `&` and UTF-8
 * read as Windows-1252 is restored. Line by line, as entities are left alone from a `<` on.
 */
export function fixText(text: string): string {
  if (/^[\n\x20-\x25\x27-\x7e]*$/.test(text)) return text
  let hasEntities = true
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      if (line.includes('<')) hasEntities = false
      return fixLine(line, hasEntities)
    })
    .join('')
}

/** Honest text is fixed in two or three rounds; entities in entities may ask for as many as they have letters. */
const roundLimit = 32

/** Each fix may uncover work for another (`&amp;lt;`). */
function fixLine(line: string, hasEntities: boolean): string {
  let now = line
  for (let round = 0; round < roundLimit; round++) {
    const before = now
    now = fixCharacters(restoreUtf8(hasEntities ? unescapeHtmlClosed(now) : now))
    if (now === before) break
  }
  return now
}

function fixCharacters(text: string): string {
  return text
    .replace(terminalEscape, '')
    .replace(/[\x80-\x9f]/g, (control) => fromWindows1252(control.charCodeAt(0)))
    .replace(/\ufb05/g, '\u017ft')
    .replace(latinLigature, (ligature) => ligature.normalize('NFKC'))
    .replace(/[\u3000\uff01-\uffee]/g, (wide) => wide.normalize('NFKC'))
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/\r\n|[\r\u2028\u2029]/g, '\n')
    .replace(/\p{Cs}/gu, '\ufffd')
    .replace(uselessControl, '')
    .normalize('NFC')
}

const latinLigature = /[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it is about
const terminalEscape = /\x1b\[[\d;]*[a-zA-Z]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it is about
const uselessControl = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g
