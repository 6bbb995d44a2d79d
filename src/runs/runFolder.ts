import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { StudioError } from '../errors.ts'
import type { Given } from '../train/given.ts'
import { type RunLine, readRunLine } from './runLines.ts'

const givenSchema: z.ZodType<Given> = z.lazy(() => z.union([z.string(), z.number(), z.boolean(), z.array(givenSchema)]))

const requestSchema = z.object({
  id: z.string(),
  kind: z.enum(['lora', 'embedding']).default('lora'),
  title: z.string(),
  user: z.string(),
  createdAt: z.iso.datetime(),
  /** As the caller gave them, and with places instead of names. */
  asked: z.record(z.string(), givenSchema),
  parameters: z.record(z.string(), givenSchema),
})

/** What was asked for. */
export type RunRequest = z.output<typeof requestSchema>

/** Files of a training's folder: its process writes events and log, a server the request and the wish to stop. */
export const runFiles = {
  request: 'run.json',
  events: 'events.jsonl',
  log: 'log.txt',
  stop: 'stop',
  /** Locked while its process lives. */
  alive: 'alive.lock',
  prompts: 'prompts.txt',
} as const

const mostEventBytes = 64 << 20

/** What a run's folder tells, read on as its files grow. */
export class RunFolder {
  readonly path: string
  readonly request: RunRequest
  readonly lines: RunLine[] = []
  #offset = 0
  #half = ''

  constructor(path: string) {
    this.path = path
    const file = join(path, runFiles.request)
    try {
      this.request = requestSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    } catch (cause) {
      throw new StudioError('bad-file', `${file}: is no request of a training`, { cause, field: file })
    }
  }

  /** Reads what has come. */
  refresh(): this {
    const path = join(this.path, runFiles.events)
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
    if (size <= this.#offset || size > mostEventBytes) return this
    const bytes = Buffer.alloc(size - this.#offset)
    const file = openSync(path, 'r')
    try {
      const read = readSync(file, bytes, 0, bytes.length, this.#offset)
      this.#offset += read
      const texts = (this.#half + bytes.subarray(0, read).toString('utf8')).split('\n')
      this.#half = texts.pop() ?? ''
      for (const text of texts) {
        const line = readRunLine(text)
        if (line) this.lines.push(line)
      }
    } finally {
      closeSync(file)
    }
    return this
  }

  /** Asks the process to stop after the step at work. */
  stop(): void {
    writeFileSync(join(this.path, runFiles.stop), '')
  }

  get isStopping(): boolean {
    return existsSync(join(this.path, runFiles.stop))
  }
}
