import { closeSync, fstatSync, openSync } from 'node:fs'
import { StudioError } from '../errors.ts'
import { readSlice } from './readWeight.ts'

/** A regular file of an archive. */
export interface TarEntry {
  readonly name: string
  readonly bytes: Uint8Array
}

const block = 512

/** Where an archive's bytes come from. */
interface Archive {
  readonly length: number
  read(offset: number, size: number): Uint8Array
}

/**
 * The regular files of a tar archive in their order (POSIX ustar, with pax and GNU long names). Nothing is written
 * anywhere: a name is only a name. Checksums are verified and sizes are held to the archive's own.
 */
export function readTar(archive: Uint8Array, label: string): Generator<TarEntry> {
  return entriesOf({ length: archive.length, read: (at, size) => archive.subarray(at, at + size) }, label)
}

/** The same of an archive on disk, of which one file at a time is in memory. */
export function* readTarFile(path: string): Generator<TarEntry> {
  const descriptor = openSync(path, 'r')
  try {
    const { size: length } = fstatSync(descriptor)
    yield* entriesOf({ length, read: (at, size) => readSlice(descriptor, path, at, size) }, path)
  } finally {
    closeSync(descriptor)
  }
}

function* entriesOf(archive: Archive, label: string): Generator<TarEntry> {
  let offset = 0
  let longName: string | undefined
  while (offset + block <= archive.length) {
    const header = archive.read(offset, block)
    if (header.every((byte) => byte === 0)) return
    if (number(header, 148, 8) !== checksum(header)) fail(label, offset, 'the checksum of the header is wrong')
    const size = number(header, 124, 12)
    const start = offset + block
    if (!Number.isSafeInteger(size) || start + size > archive.length) {
      fail(label, offset, `${size} bytes are announced, ${archive.length - start} are left`)
    }
    const type = String.fromCharCode(header[156]!)
    if (type === 'L') longName = text(archive.read(start, size))
    else if (type === 'x') longName = paxPath(archive.read(start, size)) ?? longName
    else {
      const isFile = type === '0' || type === '\0'
      if (isFile) yield { name: longName ?? ustarName(header), bytes: archive.read(start, size) }
      longName = undefined
    }
    offset = start + Math.ceil(size / block) * block
  }
}

function fail(label: string, offset: number, problem: string): never {
  throw new StudioError('bad-file', `${label}: at byte ${offset}: ${problem}`, { field: label })
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}

function number(header: Uint8Array, at: number, length: number): number {
  const digits = text(header.subarray(at, at + length)).trim()
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
}

/** The sum of the header's bytes, the checksum's own counted as spaces. */
function checksum(header: Uint8Array): number {
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0)
}

function ustarName(header: Uint8Array): string {
  const name = text(header.subarray(0, 100))
  const isUstar = text(header.subarray(257, 262)) === 'ustar'
  const prefix = isUstar ? text(header.subarray(345, 500)) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

/** The `path` of pax records, each `<length> <key>=<value>\n`. */
function paxPath(bytes: Uint8Array): string | undefined {
  let path: string | undefined
  for (const record of new TextDecoder().decode(bytes).split('\n')) {
    const match = /^\d+ path=(.*)$/s.exec(record)
    if (match) path = match[1]
  }
  return path
}
