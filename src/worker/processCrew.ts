import { type ChildProcess, fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Crew, CrewReports, Order, Work } from '../jobs/crew.ts'
import type { WorkerStatus } from '../jobs/queue.ts'
import type { FromWorker, ToWorker } from './protocol.ts'

/** One worker process: its name and what it is told when it starts. */
export interface WorkerSpec {
  readonly id: string
  readonly arguments: object
}

export interface ProcessCrewSettings {
  readonly workers: readonly WorkerSpec[]
  /** The program that workers run, `worker/main` unless told otherwise. */
  readonly entry?: URL
  readonly log?: (message: string) => void
}

/** Seconds before a worker that keeps dying is started again: doubled from the first to the last. */
const shortestPause = 0.1
const longestPause = 30
/** Seconds that an idle worker has to end by itself. */
const patience = 2

// In a source tree the entry is TypeScript as this file is.
const defaultEntry = new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url)

interface Member {
  readonly spec: WorkerSpec
  process: ChildProcess | undefined
  state: WorkerStatus['state']
  checkpoint: string | undefined
  memoryBytes: number
  jobId: string | undefined
  /** Deaths since it last finished a job. */
  deaths: number
  restart: NodeJS.Timeout | undefined
}

/** Worker processes of this machine. One that dies takes at most its job with it, and is started again. */
export class ProcessCrew implements Crew {
  readonly #entry: URL
  readonly #log: (message: string) => void
  readonly #members: ReadonlyMap<string, Member>
  #reports: CrewReports | undefined
  #isClosing = false

  constructor({ workers, entry = defaultEntry, log = () => undefined }: ProcessCrewSettings) {
    this.#entry = entry
    this.#log = log
    this.#members = new Map(
      workers.map((spec) => [
        spec.id,
        {
          spec,
          process: undefined,
          state: 'stopped',
          checkpoint: undefined,
          memoryBytes: 0,
          jobId: undefined,
          deaths: 0,
          restart: undefined,
        } satisfies Member as Member,
      ]),
    )
  }

  get workers(): readonly WorkerStatus[] {
    return [...this.#members.values()].map(({ spec, state, checkpoint, jobId, memoryBytes }) => ({
      id: spec.id,
      state,
      checkpoint,
      jobId,
      memoryBytes,
    }))
  }

  begin(reports: CrewReports): void {
    this.#reports = reports
    for (const member of this.#members.values()) this.#start(member)
  }

  #start(member: Member): void {
    const { spec } = member
    const child = fork(fileURLToPath(this.#entry), [JSON.stringify(spec.arguments)], {
      serialization: 'advanced',
      // What native code prints is for the log, and standard output belongs to the command.
      stdio: ['ignore', 2, 2, 'ipc'],
      execArgv: this.#entry.pathname.endsWith('.ts') ? ['--import', tsxUrl()] : [],
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
    })
    member.process = child
    member.state = 'starting'
    child.on('message', (message: FromWorker) => this.#hear(member, message))
    child.once('error', (error) => this.#log(`worker ${spec.id}: ${error.message}`))
    // What was sent before the end arrives before the channel closes.
    const gone = new Promise<void>((resolve) => child.once('disconnect', resolve))
    child.once('exit', async (code, signal) => {
      if (child.connected) await gone
      this.#bury(member, signal === null ? `exit code ${code}` : signal)
    })
  }

  #hear(member: Member, message: FromWorker): void {
    if (message.kind === 'unfit') this.#log(`worker ${member.spec.id} cannot work: ${message.message}`)
    else if (message.kind === 'report') {
      if (message.report.kind === 'done') member.deaths = 0
      this.#reports?.report(member.spec.id, message.jobId, message.report)
    } else {
      member.state = 'idle'
      member.checkpoint = message.checkpoint
      member.memoryBytes = message.memoryBytes
      member.jobId = undefined
      this.#reports?.idle(member.spec.id)
    }
  }

  #bury(member: Member, reason: string): void {
    const { jobId, spec } = member
    Object.assign(member, { process: undefined, state: 'stopped', checkpoint: undefined, memoryBytes: 0 })
    member.jobId = undefined
    if (this.#isClosing) return
    const pause = Math.min(longestPause, shortestPause * 2 ** member.deaths)
    member.deaths++
    this.#log(`worker ${spec.id} ended (${reason}); it is started again in ${pause} s`)
    member.restart = setTimeout(() => this.#start(member), pause * 1000)
    if (jobId !== undefined) this.#reports?.died(spec.id, jobId, reason)
  }

  assign(workerId: string, work: Work): void {
    const member = this.#member(workerId)
    if (member.state !== 'idle') throw new Error(`internal: worker ${workerId} is ${member.state}`)
    member.state = 'busy'
    member.jobId = work.jobId
    this.#send(member, { kind: 'run', ...work })
  }

  order(workerId: string, jobId: string, order: Order): void {
    const member = this.#member(workerId)
    if (member.jobId === jobId) this.#send(member, { kind: 'order', jobId, order })
  }

  /** A message that a dying worker does not take is answered by its death. */
  #send({ process: child }: Member, message: ToWorker): void {
    if (child?.connected) child.send(message, () => undefined)
  }

  #member(id: string): Member {
    const member = this.#members.get(id)
    if (!member) throw new Error(`internal: there is no worker ${id}`)
    return member
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.all([...this.#members.values()].map((member) => this.#stop(member)))
  }

  async #stop({ process: child, state, restart }: Member): Promise<void> {
    clearTimeout(restart)
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    if (state === 'idle') child.disconnect()
    else child.kill('SIGKILL')
    const last = setTimeout(() => child.kill('SIGKILL'), patience * 1000)
    await ended
    clearTimeout(last)
  }
}

function tsxUrl(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
}
