/** The captions of a set by the names of its pictures. */
export type Captions = ReadonlyMap<string, string>

/** Commas of Chinese and Japanese text that divide tags as people mean them. */
const wideCommas = /[，、；;]/g

/** Whether a caption has punctuation that programs do not take for a comma. */
export function hasWidePunctuation(text: string): boolean {
  return /[，、；：。]/.test(text)
}

/** A caption's tags: its parts between commas, without the empty ones. */
export function tagsOf(caption: string): string[] {
  return caption
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}

/** Tags as a caption. */
export function captionOf(tags: readonly string[]): string {
  return tags.join(', ')
}

/** Wide commas as commas, wide spaces as spaces, and one space behind each comma. */
export function withPlainCommas(caption: string): string {
  const plain = caption
    .replace(wideCommas, ',')
    .replaceAll('\u3000', ' ')
    .replace(/[。．]\s*$/u, '')
  return captionOf(tagsOf(plain))
}
