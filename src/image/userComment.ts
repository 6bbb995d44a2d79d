/** The EXIF UserComment tag: eight bytes that name the encoding, then text. */
const userCommentTag = 0x9286
const exifDirectoryTag = 0x8769
const unicodeMark = Buffer.from('UNICODE\0', 'latin1')
const asciiMark = Buffer.from('ASCII\0\0\0', 'latin1')

/** An EXIF text of this many bytes that says nothing; `fillPlaceholder` overwrites it in the encoded file. */
export function placeholder(text: string): string {
  return 'a'.repeat(text.length * 2)
}

/**
 * The encoded file with its placeholder comment replaced by `text` in UTF-16, big-endian.
 * The encoder library can only write ASCII comments, but it writes them uncompressed and of the length given.
 */
export function fillPlaceholder(file: Uint8Array, text: string): Uint8Array {
  const written = Buffer.concat([asciiMark, Buffer.from(placeholder(text), 'latin1')])
  const at = Buffer.from(file.buffer, file.byteOffset, file.byteLength).indexOf(written)
  if (at === -1) throw new Error('internal: the encoder dropped the EXIF comment')
  const utf16 = Buffer.from(text, 'utf16le').swap16()
  const result = Buffer.from(file)
  result.set(unicodeMark, at)
  result.set(utf16, at + unicodeMark.length)
  return result
}

/** The UserComment of an EXIF block (a TIFF structure, with or without `Exif\0\0` before it), or undefined. */
export function userComment(exif: Uint8Array): string | undefined {
  const tiff = Buffer.from(exif.subarray(Buffer.from(exif.subarray(0, 6)).toString('latin1') === 'Exif\0\0' ? 6 : 0))
  const order = tiff.toString('latin1', 0, 2)
  if (tiff.length < 8 || (order !== 'II' && order !== 'MM')) return undefined
  const isLittle = order === 'II'
  const u16 = (at: number) => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at))
  const u32 = (at: number) => (isLittle ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at))

  const entryOf = (directory: number, tag: number): number | undefined => {
    if (directory + 2 > tiff.length) return undefined
    const count = Math.min(u16(directory), Math.floor((tiff.length - directory - 2) / 12))
    for (let i = 0; i < count; i++) {
      const entry = directory + 2 + i * 12
      if (u16(entry) === tag) return entry
    }
    return undefined
  }

  const directory = entryOf(u32(4), exifDirectoryTag)
  const entry = directory === undefined ? undefined : entryOf(u32(directory + 8), userCommentTag)
  if (entry === undefined) return undefined
  const size = u32(entry + 4)
  // Four bytes or fewer stand in the entry itself; no comment with its mark is that short.
  const start = u32(entry + 8)
  if (size <= 8 || start + size > tiff.length) return undefined
  return decodeComment(tiff.subarray(start, start + size))
}

function decodeComment(bytes: Buffer): string {
  const mark = bytes.subarray(0, 8)
  const text = bytes.subarray(8)
  if (mark.equals(unicodeMark)) return decodeUtf16(text)
  if (mark.equals(asciiMark)) return text.toString('latin1').replace(/\0+$/, '')
  return new TextDecoder().decode(bytes).replaceAll('\0', '')
}

/** The standard leaves the byte order open. Zero bytes tell it: in most scripts they are the high halves. */
function decodeUtf16(text: Buffer): string {
  const even = text.subarray(0, text.length & ~1)
  let lead = 0
  for (let i = 0; i < even.length; i += 2) lead += Number(even[i] === 0) - Number(even[i + 1] === 0)
  const isLittle = even.length >= 2 && (even.readUInt16BE(0) === 0xfffe || lead < 0)
  const decoded = (isLittle ? Buffer.from(even) : Buffer.from(even).swap16()).toString('utf16le')
  return decoded.replace(/^\ufeff/, '')
}
