import { closeSync, openSync, readSync } from 'node:fs'
import { crc32c, maskedCrc32c } from './crc32c.ts'
import { event, image, sessionLog, summaryValue, tensorValue, value } from './eventFields.ts'
import { type Field, fieldsOf } from './protobufFields.ts'

/** What an event file tells, in its order. */
export type LoggedEvent =
  | { readonly kind: 'start'; readonly step: number }
  | {
      readonly kind: 'scalar'
      readonly tag: string
      readonly step: number
      readonly wallTime: number
      readonly value: number
    }
  | {
      readonly kind: 'image'
      readonly tag: string
      readonly step: number
      readonly wallTime: number
      readonly place: BytesInFile
    }

/** Bytes that are fetched when somebody wants them. */
export interface BytesInFile {
  readonly path: string
  readonly offset: number
  readonly length: number
}

/** A record of scalars has some hundred bytes, one with a picture some megabytes. */
const longestRecord = 64 << 20
/** Read at once; also the most that one call of `more` takes from a file. */
const chunkBytes = 8 << 20
const longestTag = 1000
const headerBytes = 12
const frameBytes = 16

/** Types of TensorFlow's tensors that scalars come in. */
const dataTypes = { float: 1n, double: 2n } as const

/**
 * Reads an event file that may be growing. A record that is not whole is waited for; one whose checksums are wrong ends
 * the file, as nothing behind it can be found.
 */
export class EventFileReader {
  readonly path: string
  #offset = 0
  #isBroken = false

  constructor(path: string) {
    this.path = path
  }

  /** Whether the file ended at a record that does not keep to the rules. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Bytes that have been read for good. */
  get offset(): number {
    return this.#offset
  }

  /** What has come since the last call; call again until nothing comes. */
  more(): readonly LoggedEvent[] {
    if (this.#isBroken) return []
    const file = openSync(this.path, 'r')
    try {
      const events: LoggedEvent[] = []
      let bytes = this.#read(file, chunkBytes)
      let at = 0
      while (at + headerBytes <= bytes.length) {
        const length = lengthOf(bytes.subarray(at, at + headerBytes))
        if (length === undefined) {
          this.#isBroken = true
          break
        }
        if (at === 0 && length + frameBytes > bytes.length) bytes = this.#read(file, length + frameBytes)
        if (at + length + frameBytes > bytes.length) break
        const data = bytes.subarray(at + headerBytes, at + headerBytes + length)
        if (maskedCrc32c(crc32c(data)) !== uint32At(bytes, at + headerBytes + length)) {
          this.#isBroken = true
          break
        }
        events.push(...eventsIn(data, this.path, this.#offset + at + headerBytes))
        at += length + frameBytes
      }
      this.#offset += at
      return events
    } finally {
      closeSync(file)
    }
  }

  #read(file: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    return bytes.subarray(0, readSync(file, bytes, 0, count, this.#offset))
  }
}

/** The length that a record's header tells; undefined where it cannot be one. */
function lengthOf(header: Uint8Array): number | undefined {
  const length = new DataView(header.buffer, header.byteOffset).getBigUint64(0, true)
  if (length > BigInt(longestRecord)) return undefined
  return maskedCrc32c(crc32c(header.subarray(0, 8))) === uint32At(header, 8) ? Number(length) : undefined
}

function uint32At(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true)
}

function* eventsIn(data: Uint8Array, path: string, offset: number): Generator<LoggedEvent> {
  let [wallTime, step] = [0, 0]
  let isStart = false
  const summaries: { readonly bytes: Uint8Array; readonly offset: number }[] = []
  for (const field of fieldsOf(data)) {
    if (field.number === event.wallTime && field.kind === 'double') wallTime = field.value
    else if (field.number === event.step && field.kind === 'varint') step = Number(BigInt.asIntN(64, field.value))
    else if (field.number === event.summary && field.kind === 'bytes') {
      summaries.push({ bytes: field.value, offset: offset + field.offset })
    } else if (field.number === event.sessionLog && field.kind === 'bytes') isStart = tellsStart(field.value)
  }
  if (!Number.isFinite(wallTime) || !Number.isSafeInteger(step)) return
  if (isStart) yield { kind: 'start', step }
  for (const summary of summaries) {
    for (const field of fieldsOf(summary.bytes)) {
      if (field.number !== summaryValue || field.kind !== 'bytes') continue
      const told = valueIn(field.value, path, summary.offset + field.offset)
      if (told) yield { ...told, step, wallTime }
    }
  }
}

function tellsStart(bytes: Uint8Array): boolean {
  return [...fieldsOf(bytes)].some(
    (field) =>
      field.number === sessionLog.status && field.kind === 'varint' && field.value === BigInt(sessionLog.started),
  )
}

type Told =
  | { readonly kind: 'scalar'; readonly tag: string; readonly value: number }
  | { readonly kind: 'image'; readonly tag: string; readonly place: BytesInFile }

function valueIn(bytes: Uint8Array, path: string, offset: number): Told | undefined {
  let tag = ''
  let scalar: number | undefined
  let place: BytesInFile | undefined
  for (const field of fieldsOf(bytes)) {
    if (field.number === value.tag && field.kind === 'bytes') tag = new TextDecoder().decode(field.value)
    else if (field.number === value.simpleValue && field.kind === 'float') scalar = field.value
    else if (field.number === value.tensor && field.kind === 'bytes') scalar = scalarTensor(field.value)
    else if (field.number === value.image && field.kind === 'bytes') {
      for (const part of fieldsOf(field.value)) {
        if (part.number !== image.encoded || part.kind !== 'bytes') continue
        place = { path, offset: offset + field.offset + part.offset, length: part.value.length }
      }
    }
  }
  if (tag === '' || tag.length > longestTag) return undefined
  if (scalar !== undefined) return { kind: 'scalar', tag, value: scalar }
  return place && { kind: 'image', tag, place }
}

/** The number of a tensor that holds one. */
function scalarTensor(bytes: Uint8Array): number | undefined {
  let type = 0n
  let content: Uint8Array | undefined
  let number: number | undefined
  for (const field of fieldsOf(bytes)) {
    if (field.number === tensorValue.type && field.kind === 'varint') type = field.value
    else if (field.number === tensorValue.content && field.kind === 'bytes') content = field.value
    else if (field.number === tensorValue.floats) number = numberIn(field, 4)
    else if (field.number === tensorValue.doubles) number = numberIn(field, 8)
  }
  if (number !== undefined) return number
  if (!content) return undefined
  if (type === dataTypes.float && content.length === 4) return viewOf(content).getFloat32(0, true)
  if (type === dataTypes.double && content.length === 8) return viewOf(content).getFloat64(0, true)
  return undefined
}

/** A repeated number, packed or not. */
function numberIn(field: Field, bytes: 4 | 8): number | undefined {
  if (field.kind === 'float' || field.kind === 'double') return field.value
  if (field.kind !== 'bytes' || field.value.length !== bytes) return undefined
  return bytes === 4 ? viewOf(field.value).getFloat32(0, true) : viewOf(field.value).getFloat64(0, true)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
