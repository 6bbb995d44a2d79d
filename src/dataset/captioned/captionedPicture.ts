/** A picture file as a data set has it, with what is said of it. */
export interface CaptionedPicture {
  /** Its name within the data set. */
  readonly key: string
  readonly bytes: Uint8Array
  /** One or more captions, of which each fits; none where the set says nothing. */
  readonly captions: readonly string[]
}

const pictureName = /\.(?:png|jpe?g|webp|avif|gif|tiff?)$/i

export function isPictureName(name: string): boolean {
  return pictureName.test(name)
}

/** Fields that data sets call captions, the most telling first. */
const captionFields = ['caption', 'captions', 'text', 'TEXT', 'prompt'] as const

/** The captions in a record of a data set: a text or a list of them under one of the usual names. */
export function captionsIn(record: Readonly<Record<string, unknown>>): readonly string[] {
  const field = captionFields.find((name) => record[name] !== undefined && record[name] !== null)
  if (field === undefined) return []
  const value = record[field]
  const texts = Array.isArray(value) ? value : [value]
  return texts.flatMap((text) => (typeof text === 'string' && text.trim() !== '' ? [text.trim()] : []))
}
