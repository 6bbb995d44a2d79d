import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { StudioError } from '../errors.ts'
import type { DType } from '../tensor/dtype.ts'
import { fromBF16, fromF8E4M3, fromF8E5M2, fromF16 } from '../tensor/half.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { badFile } from './badFile.ts'
import type { WeightEntry } from './weights.ts'

/** Opens a file, hands its descriptor to `use`, and closes it whatever happens. Opening a pipe would wait forever. */
export function withFile<T>(path: string, use: (descriptor: number) => T): T {
  let descriptor: number
  try {
    if (!statSync(path).isFile()) throw badFile(path, 'not a file')
    descriptor = openSync(path, 'r')
  } catch (cause) {
    if (cause instanceof StudioError) throw cause
    throw new StudioError('missing-file', `${path} cannot be opened`, { cause, field: basename(path) })
  }
  try {
    return use(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** `size` bytes from `offset` on; a file that ends before is an error, whatever its header had promised. */
export function readSlice(descriptor: number, path: string, offset: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size)
  let done = 0
  while (done < size) {
    // The system call takes at most 2 GiB at a time.
    const count = readSync(descriptor, bytes, done, Math.min(size - done, 2 ** 30), offset + done)
    if (count === 0) {
      throw badFile(path, `ends at byte ${offset + done}, expected ${size} bytes from ${offset} on`)
    }
    done += count
  }
  return bytes
}

/** A tensor's bytes as the file holds them: little-endian, row-major. */
export function readBytes(entry: WeightEntry): Uint8Array {
  const { location } = entry
  if ('bytes' in location) return location.bytes
  return withFile(location.path, (descriptor) => readSlice(descriptor, location.path, location.offset, entry.sizeBytes))
}

/** A tensor as float32, whatever its type in the file; 64-bit numbers are rounded. */
export function readWeight(entry: WeightEntry): Tensor {
  return { shape: entry.shape, data: toFloats[entry.dtype](aligned(readBytes(entry))) }
}

/** The same bytes at the start of a buffer of their own where they do not lie on an 8-byte boundary. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
}

const toFloats: Readonly<Record<DType, (bytes: Uint8Array) => Float32Array>> = {
  F64: (b) => Float32Array.from(new Float64Array(b.buffer, b.byteOffset, b.length / 8)),
  F32: (b) => new Float32Array(b.buffer, b.byteOffset, b.length / 4),
  F16: (b) => fromF16(new Uint16Array(b.buffer, b.byteOffset, b.length / 2)),
  BF16: (b) => fromBF16(new Uint16Array(b.buffer, b.byteOffset, b.length / 2)),
  F8_E4M3: fromF8E4M3,
  F8_E5M2: fromF8E5M2,
  I64: (b) => Float32Array.from(new BigInt64Array(b.buffer, b.byteOffset, b.length / 8), Number),
  I32: (b) => Float32Array.from(new Int32Array(b.buffer, b.byteOffset, b.length / 4)),
  I16: (b) => Float32Array.from(new Int16Array(b.buffer, b.byteOffset, b.length / 2)),
  I8: (b) => Float32Array.from(new Int8Array(b.buffer, b.byteOffset, b.length)),
  U8: (b) => Float32Array.from(b),
  BOOL: (b) => Float32Array.from(b, (byte) => (byte ? 1 : 0)),
}
