const text = new TextEncoder()

/** A Protocol Buffers message being written: fields by number, in the order of the calls. */
export class Message {
  readonly #parts: Uint8Array[] = []
  #size = 0

  /** A whole number (int32, int64, bool, enum): wire type 0. */
  integer(field: number, value: number | bigint): this {
    return this.#push(Uint8Array.from([...varint(field << 3), ...varint(value)]))
  }

  /** A float: wire type 5. */
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    return this.#push(Uint8Array.from(varint((field << 3) | 5))).#push(bytes)
  }

  /** A double: wire type 1. */
  double(field: number, value: number): this {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, value, true)
    return this.#push(Uint8Array.from(varint((field << 3) | 1))).#push(bytes)
  }

  /** Bytes, UTF-8 text or a nested message: wire type 2. */
  bytes(field: number, value: Uint8Array | string | Message): this {
    const bytes = typeof value === 'string' ? text.encode(value) : value instanceof Message ? value.finish() : value
    return this.#push(Uint8Array.from([...varint((field << 3) | 2), ...varint(bytes.length)])).#push(bytes)
  }

  /** The message so far. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(this.#size)
    let offset = 0
    for (const part of this.#parts) {
      bytes.set(part, offset)
      offset += part.length
    }
    return bytes
  }

  #push(bytes: Uint8Array): this {
    this.#parts.push(bytes)
    this.#size += bytes.length
    return this
  }
}

/** Seven bits a byte, lowest first; a negative number is its 64-bit two's complement. */
function varint(value: number | bigint): number[] {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return bytes
}
