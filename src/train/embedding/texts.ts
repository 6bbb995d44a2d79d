import { StudioError } from '../../errors.ts'
import type { PythonRandom } from '../../tensor/pythonRandom.ts'

/** How the names of files become words; A1111's options of the same meaning. */
export interface NameReading {
  /** What words are in a name; the whole name where it is empty. */
  readonly wordRegex: string
  readonly joinString: string
}

/** What is said of a picture: its caption, else its file's name without the number it begins with. */
export function fileWords(caption: string | undefined, stem: string, { wordRegex, joinString }: NameReading): string {
  if (caption !== undefined) return caption.trim()
  const name = stem.replace(/^[-\d]+\s*/, '')
  if (wordRegex === '') return name
  let words: RegExp
  try {
    words = new RegExp(wordRegex, 'gu')
  } catch (cause) {
    const field = 'dataset_filename_word_regex'
    throw new StudioError('bad-request', `${field}: found "${wordRegex}", expected a regular expression`, {
      cause,
      field,
    })
  }
  // As Python's findall: of a pattern with a group, what is in the group.
  return [...name.matchAll(words)].map(([whole, group]) => group ?? whole).join(joinString)
}

/** What changes a text from draw to draw. */
export interface TextDraws {
  /** Lines with `[name]` and `[filewords]`, of which one is taken. */
  readonly template: readonly string[]
  readonly shufflesTags: boolean
  /** How likely each tag is left out. */
  readonly tagDropOut: number
}

/** A text to learn an embedding by: a line of the template about the words of a picture. */
export function drawText(name: string, words: string, draws: TextDraws, random: PythonRandom): string {
  const line = draws.template[random.below(draws.template.length)]!
  const tags = words.split(',')
  const kept = draws.tagDropOut === 0 ? tags : tags.filter(() => random.random() > draws.tagDropOut)
  const shown = draws.shufflesTags ? random.shuffled(kept) : kept
  // Words of a picture may speak of the embedding by `[name]` as well.
  return line.replaceAll('[filewords]', () => shown.join(',')).replaceAll('[name]', () => name)
}
