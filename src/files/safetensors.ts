import { fstatSync } from 'node:fs'
import { bytesPer, isDType } from '../tensor/dtype.ts'
import { badFile } from './badFile.ts'
import { JsonError, JsonScanner } from './jsonScanner.ts'
import { readSlice, withFile } from './readWeight.ts'
import type { ForeignEntry, WeightEntry, WeightFile } from './weights.ts'

/** The limit of the reference implementation. */
const maxHeaderBytes = 100_000_000
const maxTensors = 1_000_000
/** No model has tensors of more dimensions; a shape of thousands would only be an attack. */
const maxRank = 64

/** Bits of one element of the types that are legal in a file but that nothing here computes with. */
const foreignBits: ReadonlyMap<string, number> = new Map([
  ['F4', 4],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ['F8_E8M0', 8],
  ['F8_E4M3FNUZ', 8],
  ['F8_E5M2FNUZ', 8],
  ['U16', 16],
  ['U32', 32],
  ['U64', 64],
  ['C64', 64],
])

interface TensorInfo {
  name: string
  dtype: string
  shape: number[]
  start: number
  end: number
}

/**
 * Reads the header of a safetensors file: an 8-byte little-endian length, that many bytes of JSON, and the tensors'
 * bytes, which must fill the rest of the file without a gap or an overlap.
 */
export function parseSafetensors(path: string): WeightFile {
  return withFile(path, (descriptor) => {
    const { size } = fstatSync(descriptor)
    if (size < 8) throw badFile(path, `${size} bytes long, a safetensors file has at least 8`)
    const length = new DataView(readSlice(descriptor, path, 0, 8).buffer).getBigUint64(0, true)
    if (length > maxHeaderBytes) throw badFile(path, `header of ${length} bytes, at most ${maxHeaderBytes} expected`)
    const headerBytes = Number(length)
    if (8 + headerBytes > size) {
      throw badFile(path, `header of ${headerBytes} bytes in a file of ${size}: the file was cut short`)
    }
    return parseHeader(path, readSlice(descriptor, path, 8, headerBytes), size)
  })
}

/** The tensors that a header of `header.length` bytes describes in a file of `fileBytes`. */
function parseHeader(path: string, header: Uint8Array, fileBytes: number): WeightFile {
  const { metadata, infos } = readJson(path, header)
  const dataOffset = 8 + header.length
  checkLayout(path, infos, fileBytes - dataOffset)

  const entries = new Map<string, WeightEntry>()
  const foreign: ForeignEntry[] = []
  for (const { name, dtype, shape, start, end } of infos) {
    if (!isDType(dtype)) foreign.push({ name, dtype, shape })
    else
      entries.set(name, { name, dtype, shape, sizeBytes: end - start, location: { path, offset: dataOffset + start } })
  }
  return { path, format: 'safetensors', metadata, entries, foreign }
}

function readJson(path: string, header: Uint8Array) {
  const metadata = new Map<string, string>()
  const infos: TensorInfo[] = []
  try {
    // A byte order mark is not white space in JSON, so it has to stay visible.
    const scanner = new JsonScanner(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header))
    scanner.object((key) => {
      if (key === '__metadata__') scanner.object((name) => metadata.set(name, scanner.string()))
      else infos.push(readInfo(scanner, key))
      if (infos.length > maxTensors) scanner.fail(`more than ${maxTensors} tensors`)
    })
    scanner.end()
  } catch (cause) {
    if (cause instanceof JsonError) throw badFile(path, `header is not as expected: ${cause.message}`, cause)
    if (cause instanceof TypeError) throw badFile(path, 'header is not UTF-8 text', cause)
    throw cause
  }
  return { metadata, infos }
}

function readInfo(scanner: JsonScanner, name: string): TensorInfo {
  const info: Partial<TensorInfo> = {}
  scanner.object((key) => {
    if (key === 'dtype') info.dtype = scanner.string()
    else if (key === 'shape') info.shape = integers(scanner, maxRank)
    else if (key === 'data_offsets') {
      const offsets = integers(scanner, 2)
      if (offsets.length !== 2) scanner.fail('data_offsets needs two numbers')
      info.start = offsets[0]!
      info.end = offsets[1]!
    } else scanner.skip()
  })
  const { dtype, shape, start, end } = info
  if (dtype === undefined || shape === undefined || start === undefined || end === undefined) {
    return scanner.fail(`the tensor ${JSON.stringify(name)} lacks dtype, shape or data_offsets`)
  }
  return { name, dtype, shape, start, end }
}

function integers(scanner: JsonScanner, most: number): number[] {
  const values: number[] = []
  scanner.array(() => {
    if (values.length === most) scanner.fail(`more than ${most} numbers`)
    values.push(scanner.integer())
  })
  return values
}

/** In the order of their bytes the tensors must be as long as their shapes say and follow each other exactly. */
function checkLayout(path: string, infos: readonly TensorInfo[], dataBytes: number): void {
  let at = 0
  for (const { name, dtype, shape, start, end } of [...infos].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const where = `tensor ${JSON.stringify(name)}`
    if (start !== at || end < start) {
      throw badFile(path, `${where} lies at bytes ${start} to ${end}, expected to start at ${at}`)
    }
    const bits = isDType(dtype) ? bytesPer(dtype) * 8 : foreignBits.get(dtype)
    if (bits === undefined)
      throw badFile(path, `${where} has the unknown element type ${JSON.stringify(dtype.slice(0, 32))}`)
    const size = bitsOf(shape, bits) / 8
    if (!Number.isSafeInteger(size)) {
      throw badFile(path, `${where} of shape [${shape}] and type ${dtype} has no size in whole bytes below 2^53`)
    }
    if (end - start !== size) {
      throw badFile(path, `${where} of shape [${shape}] and type ${dtype} takes ${size} bytes, found ${end - start}`)
    }
    at = end
  }
  if (at !== dataBytes) throw badFile(path, `tensors end at byte ${at} of ${dataBytes} after the header`)
}

/** Not finite or not exact where the product leaves the safe integers, even if a later factor is zero. */
function bitsOf(shape: readonly number[], bits: number): number {
  let product = 1
  for (const dim of shape) {
    product *= dim
    if (!Number.isSafeInteger(product)) return Number.NaN
  }
  return product * bits
}
