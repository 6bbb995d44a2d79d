/** A field of a Protocol Buffers message: its number, and a number, eight or four bytes, or bytes of any length. */
export type Field =
  | { readonly number: number; readonly kind: 'varint'; readonly value: bigint }
  | { readonly number: number; readonly kind: 'bytes'; readonly value: Uint8Array; readonly offset: number }
  | { readonly number: number; readonly kind: 'double' | 'float'; readonly value: number }

/**
 * The fields of a message, in their order, as far as it keeps to the rules: what comes after the first break of them
 * is left out. Offsets of bytes are counted from the beginning of `bytes`.
 */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const varint = (): bigint | undefined => {
    let value = 0n
    for (let shift = 0n; shift < 70n && at < bytes.length; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asUintN(64, value)
    }
    return undefined
  }
  while (at < bytes.length) {
    const key = varint()
    if (key === undefined || key > 0xffffffffn) return
    const number = Number(key >> 3n)
    switch (Number(key & 7n)) {
      case 0: {
        const value = varint()
        if (value === undefined) return
        yield { number, kind: 'varint', value }
        break
      }
      case 1:
        if (at + 8 > bytes.length) return
        yield { number, kind: 'double', value: view.getFloat64(at, true) }
        at += 8
        break
      case 2: {
        const length = varint()
        if (length === undefined || length > BigInt(bytes.length - at)) return
        const end = at + Number(length)
        yield { number, kind: 'bytes', value: bytes.subarray(at, end), offset: at }
        at = end
        break
      }
      case 5:
        if (at + 4 > bytes.length) return
        yield { number, kind: 'float', value: view.getFloat32(at, true) }
        at += 4
        break
      default:
        // Groups are of a time before event files.
        return
    }
  }
}
