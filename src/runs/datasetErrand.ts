import { spawn } from 'node:child_process'
import type { Size } from '../dataset/buckets.ts'
import type { SetReport } from '../dataset/quality/report.ts'
import type { Conflict, Tagged } from '../dataset/tagging/tagSet.ts'
import type { WordsAsked } from '../dataset/tagging/words.ts'
import type { SortKey } from '../dataset/tags/edit.ts'
import type { TagFilter } from '../dataset/tags/filter.ts'
import type { TagAdvice } from '../dataset/tags/methods.ts'
import { type ErrorCode, StudioError } from '../errors.ts'
import { ownProgram } from '../files/ownProgram.ts'
import type { Box } from '../image/picture.ts'

/** An edit of captions, as plain data. */
export type TagEdit =
  | { readonly edit: 'add'; readonly tags: readonly string[]; readonly at: 'start' | 'end' }
  | { readonly edit: 'remove'; readonly tags: readonly string[] }
  | {
      readonly edit: 'replace'
      readonly find: string
      readonly replace: string
      readonly isRegex: boolean
      readonly in: 'tags' | 'caption'
    }
  | { readonly edit: 'trigger'; readonly word: string }
  | { readonly edit: 'sort'; readonly by: SortKey; readonly isDescending: boolean; readonly kept: number }
  | { readonly edit: 'dedupe' }
  | { readonly edit: 'commas' }
  | {
      readonly edit: 'prune'
      readonly share: number
      readonly keep: readonly string[]
      readonly drop: readonly string[]
      readonly trigger: string | undefined
    }

/** Work on a set of pictures that takes long, or as long as whoever asks makes it. */
export interface Errands {
  readonly report: {
    readonly asked: {
      readonly folder: string
      readonly target: Size
      readonly batch: number
      readonly trigger: string | undefined
    }
    readonly answer: Omit<SetReport, 'pictures'> & {
      readonly pictures: readonly Omit<SetReport['pictures'][number], 'thumbnail'>[]
    }
  }
  readonly crop: {
    readonly asked: {
      readonly folder: string
      readonly out: string
      readonly mode: 'center' | 'focal' | 'box'
      readonly size: Size
      readonly box: Box | undefined
      readonly hasFlips: boolean
    }
    readonly answer: {
      readonly written: number
      readonly failed: readonly { readonly name: string; readonly problem: string }[]
    }
  }
  readonly tags: {
    readonly asked: {
      readonly folder: string
      readonly edits: readonly TagEdit[]
      readonly filter: TagFilter
      readonly isSaved: boolean
    }
    readonly answer: {
      readonly changes: readonly { readonly name: string; readonly before: string; readonly after: string }[]
      readonly advice: readonly TagAdvice[]
    }
  }
  readonly words: {
    readonly asked: Pick<WordsAsked, 'model' | 'threads' | 'selection' | 'captioning'> & {
      readonly folder: string
      /** Where a CLIP is looked for. */
      readonly dataDir: string
      readonly conflict: Conflict
    }
    readonly answer: Omit<Tagged, 'captions'>
  }
}

export type ErrandKind = keyof Errands

/** What goes to the process. */
export type Errand = {
  readonly [Kind in ErrandKind]: { readonly kind: Kind; readonly asked: Errands[Kind]['asked'] }
}[ErrandKind]

/** What comes back. */
export type ErrandAnswer =
  | { readonly answer: unknown }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly field: string | undefined } }

const minute = 60_000
const longestMs: Readonly<Record<ErrandKind, number>> = {
  report: 30 * minute,
  crop: 30 * minute,
  tags: minute,
  words: 120 * minute,
}
const mostAnswerBytes = 64 << 20

/**
 * Does such work in a process of its own, one at a time: the server answers others meanwhile, and a search pattern that
 * would never end is ended with its process.
 */
export class ErrandRunner {
  #isBusy = false

  async run<Kind extends ErrandKind>(
    kind: Kind,
    asked: Errands[Kind]['asked'],
    signal?: AbortSignal,
  ): Promise<Errands[Kind]['answer']> {
    if (this.#isBusy) {
      throw new StudioError('busy', 'other work on a set of pictures is under way', { retryAfterSeconds: 5 })
    }
    this.#isBusy = true
    try {
      return (await answerOf({ kind, asked } as unknown as Errand, longestMs[kind], signal)) as Errands[Kind]['answer']
    } finally {
      this.#isBusy = false
    }
  }
}

function answerOf(errand: Errand, longest: number, signal: AbortSignal | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...ownProgram(import.meta.url, 'datasetMain')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
    })
    const parts: Buffer[] = []
    let bytes = 0
    const end = (error: StudioError) => {
      child.kill('SIGKILL')
      reject(error)
    }
    const late = setTimeout(
      () => end(new StudioError('too-large', `${errand.kind}: not done after ${longest / 1000} s`)),
      longest,
    )
    signal?.addEventListener('abort', () => end(new StudioError('cancelled', 'the caller hung up')))
    child.stdout.on('data', (part: Buffer) => {
      parts.push(part)
      bytes += part.length
      if (bytes > mostAnswerBytes) end(new StudioError('too-large', `${errand.kind}: the answer is too long`))
    })
    child.once('error', (cause) => end(new StudioError('crashed', `${errand.kind}: ${cause.message}`, { cause })))
    child.once('close', () => {
      clearTimeout(late)
      try {
        const told = JSON.parse(Buffer.concat(parts).toString('utf8')) as ErrandAnswer
        if ('answer' in told) resolve(told.answer)
        else reject(new StudioError(told.error.code, told.error.message, { field: told.error.field }))
      } catch (cause) {
        reject(new StudioError('crashed', `${errand.kind}: its process ended without an answer`, { cause }))
      }
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(JSON.stringify(errand))
  })
}
