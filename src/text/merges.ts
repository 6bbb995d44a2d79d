import { StudioError } from '../errors.ts'

/** Tokens 0 to 255 are single bytes inside a word, 256 to 511 the same at a word's end, then one per merge. */
export const firstMerge = 512
const mergeCount = 48894

/** Bytes in the order of their tokens: those with a printable Latin-1 character first. */
export const byteOrder: readonly number[] = [
  ...range(0x21, 0x7e),
  ...range(0xa1, 0xac),
  ...range(0xae, 0xff),
  ...range(0x00, 0x20),
  ...range(0x7f, 0xa0),
  0xad,
]

/** Byte-pair merges of CLIP's vocabulary. */
export interface Merges {
  /** The token two neighbours become, undefined if they stay two. Lower tokens merge first. */
  tokenOf(left: number, right: number): number | undefined
  /** The two tokens that a token was merged from. */
  partsOf(token: number): readonly [number, number]
}

/** Reads assets/clip-merges.bin: the two little-endian uint16 tokens of each merge, in order. */
export function readMerges(bytes: Uint8Array): Merges {
  if (bytes.byteLength !== mergeCount * 4) {
    throw new StudioError('bad-file', `clip-merges.bin: ${bytes.byteLength} bytes, expected ${mergeCount * 4}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const partsOf = (token: number) => {
    const offset = (token - firstMerge) * 4
    return [view.getUint16(offset, true), view.getUint16(offset + 2, true)] as const
  }

  const tokens = new Map<number, number>()
  for (let token = firstMerge; token < firstMerge + mergeCount; token++) {
    const [left, right] = partsOf(token)
    tokens.set(pairKey(left, right), token)
  }
  return { partsOf, tokenOf: (left, right) => tokens.get(pairKey(left, right)) }
}

function pairKey(left: number, right: number): number {
  return left * 0x10000 + right
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}
