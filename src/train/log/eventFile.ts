import { appendFileSync, mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Message } from '../../graph/protobuf.ts'
import { crc32c, maskedCrc32c } from './crc32c.ts'
import { event, image, sessionLog, summaryValue, value } from './eventFields.ts'

/** Writes scalars for TensorBoard. */
export interface EventFile {
  readonly path: string
  scalars(step: number, values: Readonly<Record<string, number>>): void
}

/** Writes pictures for TensorBoard. */
export interface PictureEventFile {
  readonly path: string
  /** A PNG under a tag; TensorBoard shows those of one tag as steps of one thing. */
  picture(step: number, tag: string, png: Uint8Array, size: { readonly width: number; readonly height: number }): void
}

/**
 * A new event file in a folder. TensorBoard reads all files of a folder as one run; the start that is logged first
 * makes it forget steps from `firstStep` on, which a run that was cut off may have logged before.
 */
export function openEventFile(folder: string, firstStep: number, now: () => number = () => Date.now()): EventFile {
  const { path, write, at } = newFile(folder, '', now)
  write(
    at()
      .integer(event.step, firstStep)
      .bytes(event.sessionLog, new Message().integer(sessionLog.status, sessionLog.started)),
  )
  return {
    path,
    scalars(step, values) {
      const summary = new Message()
      for (const [tag, number] of Object.entries(values)) {
        summary.bytes(summaryValue, new Message().bytes(value.tag, tag).float(value.simpleValue, number))
      }
      write(at().integer(event.step, step).bytes(event.summary, summary))
    },
  }
}

/** A new event file beside a run's own, for its pictures: it logs no start, which would make earlier scalars forgotten. */
export function openPictureEventFile(folder: string, now: () => number = () => Date.now()): PictureEventFile {
  const { path, write, at } = newFile(folder, '.samples', now)
  return {
    path,
    picture(step, tag, png, { width, height }) {
      const encoded = new Message()
        .integer(image.height, height)
        .integer(image.width, width)
        .integer(image.colorspace, 3)
        .bytes(image.encoded, png)
      const told = new Message().bytes(value.tag, tag).bytes(value.image, encoded)
      write(at().integer(event.step, step).bytes(event.summary, new Message().bytes(summaryValue, told)))
    },
  }
}

function newFile(folder: string, suffix: string, now: () => number) {
  mkdirSync(folder, { recursive: true })
  const seconds = String(Math.floor(now() / 1000)).padStart(10, '0')
  const path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}${suffix}`)
  const write = (message: Message) => appendFileSync(path, record(message.finish()))
  const at = () => new Message().double(event.wallTime, now() / 1000)
  write(at().bytes(event.fileVersion, 'brain.Event:2'))
  return { path, write, at }
}

/** A TFRecord: length, its checksum, the bytes, their checksum. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc32c(crc32c(bytes.subarray(0, 8))), true)
  bytes.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc32c(crc32c(data)), true)
  return bytes
}
