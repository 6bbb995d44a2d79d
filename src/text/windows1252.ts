/** The characters of bytes 0x80 to 0x9f; the five that mean nothing stay the controls of Latin-1. */
const high = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'

/**
 * What a byte of Windows-1252 means, as the WHATWG decoder defines it; Node's own TextDecoder takes it for
 * Latin-1.
 */
export function fromWindows1252(byte: number): string {
  return byte >= 0x80 && byte <= 0x9f ? high[byte - 0x80]! : String.fromCharCode(byte)
}
