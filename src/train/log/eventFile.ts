import { appendFileSync, mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Message } from '../../graph/protobuf.ts'
import { crc32c } from './crc32c.ts'

/** Writes scalars for TensorBoard. */
export interface EventFile {
  readonly path: string
  scalars(step: number, values: Readonly<Record<string, number>>): void
}

/** Field numbers of TensorFlow's Event, Summary and SessionLog messages. */
const event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const
const summaryValue = 1
const value = { tag: 1, simpleValue: 2 } as const
const sessionLog = { status: 1, started: 1 } as const

/**
 * A new event file in a folder. TensorBoard reads all files of a folder as one run; the start that is logged first
 * makes it forget steps from `firstStep` on, which a run that was cut off may have logged before.
 */
export function openEventFile(folder: string, firstStep: number, now: () => number = () => Date.now()): EventFile {
  mkdirSync(folder, { recursive: true })
  const started = now()
  const path = join(
    folder,
    `events.out.tfevents.${String(Math.floor(started / 1000)).padStart(10, '0')}.${hostname()}.${process.pid}`,
  )
  const write = (message: Message) => appendFileSync(path, record(message.finish()))
  const at = () => new Message().double(event.wallTime, now() / 1000)
  write(at().bytes(event.fileVersion, 'brain.Event:2'))
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

/** A TFRecord: length, its checksum, the bytes, their checksum. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true)
  bytes.set(data, 12)
  view.setUint32(12 + data.length, masked(crc32c(data)), true)
  return bytes
}

/** Turned and shifted, since a checksum of bytes that hold checksums is weak. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
