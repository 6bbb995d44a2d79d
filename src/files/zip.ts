import { basename } from 'node:path'
import { crc32, inflateRawSync } from 'node:zlib'
import { StudioError } from '../errors.ts'
import { badFile } from './badFile.ts'
import { readSlice } from './readWeight.ts'

/** One member of a zip archive. Its stored bytes are `storedBytes` from `offset` of the archive on. */
export interface ZipMember {
  readonly name: string
  readonly method: 'stored' | 'deflated'
  readonly offset: number
  readonly storedBytes: number
  readonly sizeBytes: number
  readonly crc: number
}

/** Compressed members are held in memory, so they have to be small; weights are stored. */
const maxDeflatedBytes = 2 ** 28
const maxMembers = 1_000_000

const signature = { member: 0x04034b50, directory: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator: 0x07064b50 }

/**
 * The members of a zip archive by name, as its central directory lists them. Strict where readers differ and attacks
 * live: directory and local headers must agree, members may neither overlap nor leave the file, names are unique,
 * nothing follows the end record, and nothing is encrypted.
 */
export function readZip(descriptor: number, path: string, fileBytes: number): ReadonlyMap<string, ZipMember> {
  const fail = (problem: string): never => {
    throw badFile(path, `zip archive: ${problem}`)
  }
  const read = (offset: number, size: number): DataView => {
    if (offset < 0 || offset + size > fileBytes)
      fail(`a record at byte ${offset} lies outside the file of ${fileBytes}`)
    return new DataView(readSlice(descriptor, path, offset, size).buffer)
  }

  const directory = findDirectory(read, fileBytes, fail)
  if (directory.members > maxMembers) fail(`${directory.members} members, at most ${maxMembers} expected`)
  const records = parseDirectory(read(directory.offset, directory.size), directory.members, fail)

  const members = new Map<string, ZipMember>()
  let end = 0
  for (const record of records.sort((a, b) => a.headerOffset - b.headerOffset)) {
    if (record.headerOffset < end) fail(`the member ${record.name} overlaps another`)
    const offset = checkLocalHeader(read, record, fail)
    end = offset + record.storedBytes
    if (end > directory.offset) fail(`the member ${record.name} reaches into the directory`)
    if (members.has(record.name)) fail(`the member ${record.name} appears twice`)
    const { name, method, storedBytes, sizeBytes, crc } = record
    members.set(name, { name, method, offset, storedBytes, sizeBytes, crc })
  }
  return members
}

/** A member's contents, unpacked where they are compressed, and held against its checksum. */
export function readMember(descriptor: number, path: string, member: ZipMember): Uint8Array {
  const stored = readSlice(descriptor, path, member.offset, member.storedBytes)
  let bytes: Uint8Array = stored
  if (member.method === 'deflated') {
    if (member.sizeBytes > maxDeflatedBytes) {
      throw new StudioError(
        'too-large',
        `${basename(path)}: ${member.name}: ${member.sizeBytes} bytes compressed, expected them stored`,
      )
    }
    try {
      // One byte more than promised is enough to see a lie.
      bytes = inflateRawSync(stored, { maxOutputLength: member.sizeBytes + 1 })
    } catch (cause) {
      throw badFile(path, `${member.name}: cannot be decompressed`, cause)
    }
  }
  if (bytes.length !== member.sizeBytes) {
    throw badFile(path, `${member.name}: ${bytes.length} bytes found, ${member.sizeBytes} expected`)
  }
  // PyTorch can be told not to compute checksums, and then writes 0.
  if (member.crc !== 0 && crc32(bytes) !== member.crc) {
    throw badFile(path, `${member.name}: the checksum is wrong, the file is damaged`)
  }
  return bytes
}

type Read = (offset: number, size: number) => DataView
type Fail = (problem: string) => never

/** Follows the end record, or its 64-bit form, to the directory; it must lie right before them. */
function findDirectory(read: Read, fileBytes: number, fail: Fail) {
  const tailBytes = Math.min(fileBytes, 22 + 0xffff)
  const tail = read(fileBytes - tailBytes, tailBytes)
  let at = tailBytes - 22
  // The record ends with a comment whose length it states: only a record that reaches the end of the file counts.
  while (
    at >= 0 &&
    !(tail.getUint32(at, true) === signature.end && tail.getUint16(at + 20, true) === tailBytes - at - 22)
  ) {
    at--
  }
  if (at < 0) return fail('the end record is missing: the file was cut short')
  let end = fileBytes - tailBytes + at
  let members = tail.getUint16(at + 10, true)
  let size = tail.getUint32(at + 12, true)
  let offset = tail.getUint32(at + 16, true)

  if (at >= 20 && tail.getUint32(at - 20, true) === signature.locator) {
    end = uint64(tail, at - 12)
    const record = read(end, 56)
    if (record.getUint32(0, true) !== signature.end64) fail('the 64-bit end record is not where it should be')
    if (end + 12 + uint64(record, 4) !== fileBytes - tailBytes + at - 20)
      fail('something follows the 64-bit end record')
    const wide = { members: uint64(record, 32), size: uint64(record, 40), offset: uint64(record, 48) }
    const agree =
      (members === 0xffff || members === wide.members) &&
      (size === 0xffffffff || size === wide.size) &&
      (offset === 0xffffffff || offset === wide.offset)
    if (!agree) fail('its two end records disagree')
    ;({ members, size, offset } = wide)
  }
  if (offset + size !== end) fail(`the directory ends at byte ${offset + size}, expected ${end}`)
  return { members, size, offset }
}

interface DirectoryRecord extends Omit<ZipMember, 'offset'> {
  readonly headerOffset: number
  readonly methodCode: number
}

function parseDirectory(view: DataView, count: number, fail: Fail): DirectoryRecord[] {
  const records: DirectoryRecord[] = []
  let at = 0
  for (let i = 0; i < count; i++) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== signature.directory) fail('the directory is broken')
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
      number,
      number,
      number,
    ]
    const next = at + 46 + nameBytes + extraBytes + commentBytes
    if (next > view.byteLength) fail('the directory is broken')
    const name = memberName(view, at + 46, nameBytes)
    const methodCode = view.getUint16(at + 10, true)
    if (methodCode !== 0 && methodCode !== 8) fail(`the member ${name} is compressed by method ${methodCode}`)
    // 1, 2: how hard deflate tried; 3: sizes repeated after the data; 11: the name is UTF-8. All else is trouble.
    if (view.getUint16(at + 8, true) & ~0b1000_0000_1110) fail(`the member ${name} is encrypted or has unknown flags`)

    let sizeBytes = view.getUint32(at + 24, true)
    let storedBytes = view.getUint32(at + 20, true)
    let headerOffset = view.getUint32(at + 42, true)
    const wide = wideFields(view, at + 46 + nameBytes, extraBytes)
    const widen = (value: number): number => {
      if (value !== 0xffffffff) return value
      return wide.shift() ?? fail(`the member ${name} lacks its 64-bit sizes`)
    }
    sizeBytes = widen(sizeBytes)
    storedBytes = widen(storedBytes)
    headerOffset = widen(headerOffset)
    if (methodCode === 0 && storedBytes !== sizeBytes) fail(`the member ${name} is stored in another size than its own`)
    const crc = view.getUint32(at + 16, true)
    records.push({
      name,
      method: methodCode ? 'deflated' : 'stored',
      methodCode,
      storedBytes,
      sizeBytes,
      crc,
      headerOffset,
    })
    at = next
  }
  if (at !== view.byteLength) fail('the directory is longer than its members')
  return records
}

/** The local header in front of a member's data must tell the same story as the directory. Answers where data begins. */
function checkLocalHeader(read: Read, record: DirectoryRecord, fail: Fail): number {
  const view = read(record.headerOffset, 30)
  const nameBytes = view.getUint16(26, true)
  const name =
    view.getUint32(0, true) === signature.member
      ? memberName(read(record.headerOffset + 30, nameBytes), 0, nameBytes)
      : ''
  if (name !== record.name || view.getUint16(8, true) !== record.methodCode || view.getUint16(6, true) & 1) {
    fail(`the member ${record.name} is not what the directory says`)
  }
  // Sizes and checksum may be left to a record after the data (bit 3) or, in part, to a 64-bit field.
  if (!(view.getUint16(6, true) & 8)) {
    const same = (field: number, value: number) => [value, 0xffffffff].includes(view.getUint32(field, true))
    if (!same(14, record.crc) || !same(18, record.storedBytes) || !same(22, record.sizeBytes)) {
      fail(`the member ${record.name} has other sizes than the directory says`)
    }
  }
  return record.headerOffset + 30 + nameBytes + view.getUint16(28, true)
}

/** The 64-bit numbers of a directory record, in order; which ones are there depends on the 32-bit fields. */
function wideFields(view: DataView, start: number, bytes: number): number[] {
  for (let at = start; at + 4 <= start + bytes; ) {
    const size = view.getUint16(at + 2, true)
    if (view.getUint16(at, true) === 1 && at + 4 + size <= start + bytes) {
      return Array.from({ length: Math.floor(size / 8) }, (_, i) => uint64(view, at + 4 + 8 * i))
    }
    at += 4 + size
  }
  return []
}

function memberName(view: DataView, offset: number, bytes: number): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + offset, bytes))
}

/** Beyond 2^53 the number is not exact, but then it lies outside every file. */
function uint64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true))
}
