import { crc32, inflateSync } from 'node:zlib'
import { StudioError } from '../errors.ts'

/** A keyword and its text, as PNG text chunks carry them. */
export type TextEntry = readonly [key: string, value: string]

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
/** Length and type before a chunk's content, checksum after it. */
const chunkHead = 8
const chunkTail = 4
/** A compressed text may not grow past this; hostile files promise a thousandfold. */
const largestInflated = 1 << 20
/** … and all of them together not past this. */
const largestInflatedSum = 8 << 20

/** Whether bytes begin as a PNG does. */
export function isPng(bytes: Uint8Array): boolean {
  return signature.equals(bytes.subarray(0, signature.length))
}

/** The text chunks of a PNG (tEXt, zTXt, iTXt) in file order; damaged ones are passed over. */
export function pngText(png: Uint8Array): TextEntry[] {
  const entries: TextEntry[] = []
  let budget = largestInflatedSum
  const inflate = (bytes: Uint8Array) => {
    const inflated = inflateSync(bytes, { maxOutputLength: Math.min(largestInflated, Math.max(budget, 1)) })
    budget -= inflated.length
    return inflated
  }
  for (const { type, content } of chunks(png)) {
    const read = textReaders[type]
    if (read === undefined) continue
    try {
      const entry = read(content, inflate)
      if (entry) entries.push(entry)
    } catch {
      // A picture with one bad text chunk is still a picture with the others.
    }
  }
  return entries
}

/** The EXIF block of a PNG's eXIf chunk. */
export function pngExif(png: Uint8Array): Uint8Array | undefined {
  for (const { type, content } of chunks(png)) if (type === 'eXIf') return content
  return undefined
}

/** A PNG with text chunks added right after its header: tEXt where Latin-1 can hold the text, iTXt elsewhere. */
export function withPngText(png: Uint8Array, entries: Iterable<TextEntry>): Uint8Array {
  const headerEnd = signature.length + chunkHead + 13 + chunkTail
  const added = [...entries].map(([key, value]) => textChunk(key, value))
  return Buffer.concat([png.subarray(0, headerEnd), ...added, png.subarray(headerEnd)])
}

function* chunks(png: Uint8Array): Generator<{ type: string; content: Uint8Array }> {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength)
  let at = signature.length
  while (at + chunkHead <= bytes.length) {
    const size = bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + chunkHead)
    const end = at + chunkHead + size
    if (end > bytes.length || type === 'IEND') return
    yield { type, content: bytes.subarray(at + chunkHead, end) }
    at = end + chunkTail
  }
}

type TextReader = (content: Uint8Array, inflate: (bytes: Uint8Array) => Uint8Array) => TextEntry | undefined

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

const textReaders: Readonly<Record<string, TextReader>> = {
  tEXt: (content) => {
    const end = content.indexOf(0)
    return end < 1 ? undefined : [latin1(content.subarray(0, end)), latin1(content.subarray(end + 1))]
  },
  zTXt: (content, inflate) => {
    const end = content.indexOf(0)
    // One byte names the compression method, and deflate is the only one.
    if (end < 1 || content[end + 1] !== 0) return undefined
    return [latin1(content.subarray(0, end)), latin1(inflate(content.subarray(end + 2)))]
  },
  iTXt: (content, inflate) => {
    const end = content.indexOf(0)
    const languageEnd = content.indexOf(0, end + 3)
    const titleEnd = content.indexOf(0, languageEnd + 1)
    if (end < 1 || languageEnd === -1 || titleEnd === -1) return undefined
    const isCompressed = content[end + 1] === 1
    const text = content.subarray(titleEnd + 1)
    return [latin1(content.subarray(0, end)), new TextDecoder().decode(isCompressed ? inflate(text) : text)]
  },
}

function textChunk(key: string, value: string): Uint8Array {
  if (!/^[\x20-\x7e\xa1-\xff]{1,79}$/.test(key)) {
    throw new StudioError('bad-request', `PNG text keyword "${key}": expected 1 to 79 Latin-1 characters`)
  }
  // A zero would end tEXt early, so it goes where the length rules.
  const isLatin1 = !value.includes('\0') && latin1(Buffer.from(value, 'latin1')) === value
  const parts = isLatin1
    ? [Buffer.from(`${key}\0${value}`, 'latin1')]
    : [Buffer.from(`${key}\0\0\0\0\0`, 'latin1'), Buffer.from(value, 'utf8')]
  return chunk(isLatin1 ? 'tEXt' : 'iTXt', Buffer.concat(parts))
}

function chunk(type: string, content: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(chunkHead + content.length + chunkTail)
  bytes.writeUInt32BE(content.length, 0)
  bytes.write(type, 4, 'latin1')
  bytes.set(content, chunkHead)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, chunkHead + content.length)), chunkHead + content.length)
  return bytes
}
