import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve, sep } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ErrorCode, StudioError } from '../errors.ts'
import { ownProgram } from '../files/ownProgram.ts'
import { isLocked } from '../files/processLock.ts'
import { replaceFile } from '../files/replaceFile.ts'
import { readEmbeddingArguments } from '../train/embedding/parameters.ts'
import type { Given } from '../train/given.ts'
import { EventLogs, type ScalarPoint } from '../train/log/eventLogs.ts'
import { readArguments } from '../train/lora/arguments.ts'
import type { RunArguments } from './main.ts'
import { RunFolder, type RunRequest, runFiles } from './runFolder.ts'
import type { RunLine } from './runLines.ts'

/** `lost`: its process is gone and has not said why, as when it was killed or the machine went down. */
export type RunState = 'starting' | 'running' | 'done' | 'stopped' | 'failed' | 'lost'

/** A training as it is now. */
export interface Run extends RunRequest {
  readonly state: RunState
  readonly startedAt: Date | undefined
  readonly endedAt: Date | undefined
  /** What it is about to do, in words. */
  readonly plan: readonly string[]
  /** Pictures that are encoded, before the first step. */
  readonly caching: { readonly done: number; readonly total: number } | undefined
  readonly progress: RunProgress | undefined
  readonly validations: readonly {
    readonly epoch: number
    readonly step: number
    readonly loss: number
    readonly isBest: boolean
  }[]
  /** Names of the files it has written: networks below models/Lora, or embeddings. */
  readonly saved: readonly string[]
  readonly best: string | undefined
  /** Names of preview pictures, in the order they were drawn. */
  readonly samples: readonly string[]
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly field: string | undefined } | undefined
  /** It has been told to stop and has not yet. */
  readonly isStopping: boolean
  /** Where its curves are logged, below the folder of logs. */
  readonly logName: string | undefined
}

export interface RunProgress {
  readonly step: number
  readonly total: number
  readonly epoch: number
  readonly epochs: number
  readonly loss: number
  readonly averageLoss: number
  readonly secondsPerStep: number
  readonly etaSeconds: number
}

export interface RunsSettings {
  readonly dataDir: string
  readonly threads: number
  readonly gpuNoise: RunArguments['gpuNoise']
  /** Locked while a training runs on this machine; of tests, their own. */
  readonly machineLock?: string
}

/** A process that has been started says so within this time, on a busy machine too. */
const startMs = 120_000
/** Steps whose mean tells the pace. */
const paceSteps = 20
/** How often a training is looked at that somebody waits for. */
const lookEveryMs = 250
/** What is told of a log at once. */
const longestPart = 256 << 10

/**
 * Trainings, each in a process of its own that writes down what it does in `runs/<id>` of the data folder. The process
 * outlives the server that started it; the next one finds its folder, and by a lock whether it still lives.
 */
export class Runs {
  readonly #settings: RunsSettings
  readonly #root: string
  readonly #folders = new Map<string, RunFolder>()
  readonly #logs = new Map<string, EventLogs>()
  readonly #children = new Map<string, ChildProcess>()

  constructor(settings: RunsSettings) {
    this.#settings = settings
    this.#root = join(settings.dataDir, 'runs')
  }

  /** The folder below which curves are logged. */
  get logFolder(): string {
    return join(this.#settings.dataDir, 'logs')
  }

  /** Starts a training; only one at a time runs on a machine. `prompts` are what previews show, a line for each. */
  start({ kind = 'lora', title, user, asked, parameters, prompts }: StartRequest): Run {
    const given = new Map(Object.entries(parameters))
    const name =
      kind === 'lora'
        ? readArguments(given, new Map()).values.output_name
        : readEmbeddingArguments(given).values.embedding_name
    const running = this.list().find(isUnderWay)
    if (running) {
      throw new StudioError('conflict', `the training "${running.title}" (${running.id}) has not ended`, {
        field: 'id',
      })
    }
    const id = `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}-${randomUUID().slice(0, 8)}`
    const folder = join(this.#root, id)
    mkdirSync(folder, { recursive: true })
    const fixed: Record<string, Given> = { ...parameters, ...(kind === 'lora' && { logging_dir: this.logFolder }) }
    if (prompts !== undefined) {
      writeFileSync(join(folder, runFiles.prompts), prompts)
      fixed.sample_prompts = runFiles.prompts
    }
    const request: RunRequest = {
      id,
      kind,
      title: title ?? name ?? 'training',
      user,
      createdAt: new Date().toISOString(),
      asked: asked as RunRequest['asked'],
      parameters: fixed as RunRequest['parameters'],
    }
    replaceFile(join(folder, runFiles.request), [new TextEncoder().encode(`${JSON.stringify(request, null, 2)}\n`)])
    this.#spawn(id, folder)
    return this.get(id)
  }

  /** All trainings, the latest first. */
  list(): readonly Run[] {
    return this.#ids().map((id) => this.get(id))
  }

  #ids(): readonly string[] {
    if (!existsSync(this.#root)) return []
    const ids = readdirSync(this.#root).filter((id) => existsSync(join(this.#root, id, runFiles.request)))
    return ids.sort().reverse()
  }

  get(id: string): Run {
    return this.#runOf(this.#folder(id))
  }

  /** The training of a kind that is under way; only one runs on a machine, so it is the latest of all. */
  current(kind: RunRequest['kind']): Run | undefined {
    const id = this.#ids()[0]
    const run = id === undefined ? undefined : this.get(id)
    return run?.kind === kind && isUnderWay(run) ? run : undefined
  }

  /** A training once it has ended; waiting for it may be given up. */
  async ended(id: string, signal: AbortSignal): Promise<Run> {
    for (;;) {
      const run = this.get(id)
      if (!isUnderWay(run)) return run
      signal.throwIfAborted()
      await pause(lookEveryMs)
    }
  }

  /** Ends a training: after the step at work, its state saved; with `now` its process is ended at once. */
  stop(id: string, now = false): Run {
    const folder = this.#folder(id)
    const run = this.#runOf(folder)
    if (!isUnderWay(run)) throw new StudioError('conflict', `training ${id} has ended: ${run.state}`)
    folder.stop()
    const pid = folder.lines.find((line) => line.kind === 'began')?.pid
    // The lock says that the process lives, so the number is still its own.
    if (now && pid !== undefined && isLocked(join(folder.path, runFiles.alive))) process.kill(pid, 'SIGKILL')
    return this.#runOf(folder)
  }

  /** The curves of a training by their tags. */
  curves(id: string): ReadonlyMap<string, readonly ScalarPoint[]> {
    const folder = this.#folder(id).refresh()
    const path = this.#logFolderOf(folder)
    if (path === undefined) return new Map()
    const logs = this.#logs.get(id) ?? new EventLogs(path)
    this.#logs.set(id, logs)
    return logs.refresh().find(({ name }) => name === '.')?.scalars ?? new Map()
  }

  /** A part of what a training has printed, from an offset in bytes; negative ones count from the end. */
  log(id: string, from: number): { readonly text: string; readonly next: number; readonly size: number } {
    const path = join(this.#folder(id).path, runFiles.log)
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
    const start = Math.min(size, from < 0 ? Math.max(0, size + from) : from)
    const bytes = Buffer.alloc(Math.min(longestPart, size - start))
    if (bytes.length > 0) {
      const file = openSync(path, 'r')
      try {
        readSync(file, bytes, 0, bytes.length, start)
      } finally {
        closeSync(file)
      }
    }
    return { text: this.#withoutPlaces(bytes.toString('utf8')), next: start + bytes.length, size }
  }

  /** Where a preview of a training lies. */
  samplePath(id: string, name: string): string {
    const { request, lines } = this.#folder(id).refresh()
    const path = lines
      .flatMap((line) => (line.kind === 'sampled' ? [line.path] : []))
      .find((each) => basename(each) === name)
    const home = resolve(this.#settings.dataDir, homes[request.kind]) + sep
    if (path === undefined || !resolve(path).startsWith(home) || !existsSync(path)) {
      throw new StudioError('not-found', `training ${id} has no preview ${name}`)
    }
    return path
  }

  /** Forgets a training that has ended; what it saved stays. */
  delete(id: string): void {
    if (isUnderWay(this.get(id))) throw new StudioError('conflict', `training ${id} has not ended`)
    rmSync(join(this.#root, id), { recursive: true, force: true })
    this.#folders.delete(id)
    this.#logs.delete(id)
  }

  #folder(id: string): RunFolder {
    const path = join(this.#root, id)
    const isOne = /^\d{14}-[0-9a-f]{8}$/.test(id) && existsSync(join(path, runFiles.request))
    if (!isOne) throw new StudioError('not-found', `there is no training ${id}`)
    const known = this.#folders.get(id) ?? new RunFolder(path)
    this.#folders.set(id, known)
    return known
  }

  #spawn(id: string, folder: string): void {
    const { dataDir, threads, gpuNoise, machineLock = usualLock } = this.#settings
    const told: RunArguments = { folder, dataDir, threads, machineLock, ...(gpuNoise && { gpuNoise }) }
    const log = openSync(join(folder, runFiles.log), 'a')
    const child = spawn(
      process.execPath,
      [...ownProgram(import.meta.url, 'main'), JSON.stringify(told)],
      // In a group of its own, so that what ends the server leaves it alone.
      { detached: true, stdio: ['ignore', log, log], env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' } },
    )
    closeSync(log)
    this.#children.set(id, child)
    child.once('error', () => this.#children.delete(id))
    child.once('exit', () => this.#children.delete(id))
    child.unref()
  }

  #runOf(folder: RunFolder): Run {
    const { request, lines } = folder.refresh()
    const steps = lines.filter((line) => line.kind === 'step')
    const failed = lines.find((line) => line.kind === 'failed')
    const end = lines.find((line) => line.kind === 'ended')
    const state = this.#stateOf(folder)
    const isOver = !isUnderWay({ state })
    const logFolder = this.#logFolderOf(folder)
    const began = lines.find((line) => line.kind === 'began')
    const caching = lines.findLast((line) => line.kind === 'caching')
    return {
      ...request,
      state,
      startedAt: began && new Date(began.at),
      endedAt: isOver && lines.length > 0 ? new Date(lines.at(-1)!.at) : undefined,
      plan: (lines.find((line) => line.kind === 'plan')?.lines ?? []).map((line) => this.#withoutPlaces(line)),
      caching: caching && { done: caching.done, total: caching.total },
      progress: progressOf(steps),
      validations: lines.flatMap((line) =>
        line.kind === 'validated' ? [{ epoch: line.epoch, step: line.step, loss: line.loss, isBest: line.isBest }] : [],
      ),
      saved: lines.flatMap((line) => (line.kind === 'saved' ? [basename(line.path)] : [])),
      best: end?.best === undefined ? undefined : basename(end.best),
      samples: lines.flatMap((line) => (line.kind === 'sampled' ? [basename(line.path)] : [])),
      error: failed
        ? { code: failed.code, message: this.#withoutPlaces(failed.message), field: failed.field }
        : state === 'lost'
          ? { code: 'crashed', message: 'the process of this training is gone and has not said why', field: undefined }
          : undefined,
      isStopping: !isOver && folder.isStopping,
      logName: logFolder
        ?.slice(this.logFolder.length + 1)
        .split(sep)
        .join('/'),
    }
  }

  #stateOf({ path, lines, request }: RunFolder): RunState {
    const last = lines.findLast((line) => line.kind === 'ended' || line.kind === 'failed')
    if (last?.kind === 'failed') return 'failed'
    if (last?.kind === 'ended') return last.reason === 'stopped' ? 'stopped' : 'done'
    if (lines.length > 0) return isLocked(join(path, runFiles.alive)) ? 'running' : this.#lost(path)
    const isOurs = this.#children.has(request.id)
    return isOurs || Date.now() - Date.parse(request.createdAt) < startMs ? 'starting' : 'lost'
  }

  /** Between the look at the lines and the look at the lock the process may have said its last word. */
  #lost(path: string): RunState {
    const again = new RunFolder(path)
      .refresh()
      .lines.findLast((line) => line.kind === 'ended' || line.kind === 'failed')
    if (!again) return 'lost'
    return again.kind === 'failed' ? 'failed' : again.reason === 'stopped' ? 'stopped' : 'done'
  }

  /** Where the data folder lies is nobody's business. */
  #withoutPlaces(text: string): string {
    return text.replaceAll(resolve(this.#settings.dataDir) + sep, '')
  }

  #logFolderOf({ lines }: RunFolder): string | undefined {
    const path = lines.findLast((line) => line.kind === 'logging')?.folder
    return path !== undefined && resolve(path).startsWith(this.logFolder + sep) ? resolve(path) : undefined
  }
}

export interface StartRequest {
  /** What is trained: a network unless told otherwise. */
  readonly kind?: RunRequest['kind']
  readonly title: string | undefined
  readonly user: string
  /** Parameters as the caller gave them, for showing. */
  readonly asked: Readonly<Record<string, Given>>
  /** The same with places instead of names. */
  readonly parameters: Readonly<Record<string, Given>>
  readonly prompts: string | undefined
}

function isUnderWay({ state }: Pick<Run, 'state'>): boolean {
  return state === 'running' || state === 'starting'
}

/** Below which folder of the data folder trainings put previews. */
const homes: Readonly<Record<RunRequest['kind'], string>> = {
  lora: join('models', 'Lora'),
  embedding: 'textual_inversion',
}

const usualLock = join(tmpdir(), 'athanor-training.lock')

function progressOf(steps: readonly Extract<RunLine, { kind: 'step' }>[]): RunProgress | undefined {
  const last = steps.at(-1)
  if (!last) return undefined
  const latest = steps.slice(-paceSteps)
  const secondsPerStep = latest.reduce((sum, { seconds }) => sum + seconds, 0) / latest.length
  const { step, total, epoch, epochs, loss, averageLoss } = last
  return { step, total, epoch, epochs, loss, averageLoss, secondsPerStep, etaSeconds: (total - step) * secondsPerStep }
}
