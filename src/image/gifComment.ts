/** Comment extensions of the GIF89a format: text in sub-blocks of at most 255 bytes. */
const largestBlock = 255
const extension = 0x21
const comment = 0xfe
const image = 0x2c

/** Where the blocks begin: after the header, the screen descriptor and the global colour table. */
function firstBlock(gif: Uint8Array): number {
  const flags = gif[10] ?? 0
  return 13 + tableSize(flags)
}

function tableSize(flags: number): number {
  return flags & 0x80 ? 3 << ((flags & 7) + 1) : 0
}

/** The text of a GIF's first comment, or undefined. */
export function gifComment(gif: Uint8Array): string | undefined {
  let at = firstBlock(gif)
  while (at < gif.length) {
    if (gif[at] === extension) {
      const { content, end } = subBlocks(gif, at + 2)
      if (gif[at + 1] === comment) return Buffer.concat(content).toString('utf8')
      at = end
    } else if (gif[at] === image) {
      const flags = gif[at + 9] ?? 0
      // The descriptor is ten bytes, then a local colour table and the byte with the code size.
      at = subBlocks(gif, at + 10 + tableSize(flags) + 1).end
    } else return undefined
  }
  return undefined
}

/** A GIF with a comment added before its first block. */
export function withGifComment(gif: Uint8Array, text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8')
  const parts: Uint8Array[] = [Uint8Array.of(extension, comment)]
  for (let at = 0; at < bytes.length; at += largestBlock) {
    const block = bytes.subarray(at, at + largestBlock)
    parts.push(Uint8Array.of(block.length), block)
  }
  const start = firstBlock(gif)
  return Buffer.concat([gif.subarray(0, start), ...parts, Uint8Array.of(0), gif.subarray(start)])
}

function subBlocks(gif: Uint8Array, start: number): { content: Uint8Array[]; end: number } {
  const content: Uint8Array[] = []
  let at = start
  while (at < gif.length && gif[at] !== 0) {
    const size = gif[at]!
    content.push(gif.subarray(at + 1, at + 1 + size))
    at += 1 + size
  }
  return { content, end: at + 1 }
}
