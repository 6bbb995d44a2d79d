// The process of a training: `node main.js '{"folder": …}'`, started by a server, which it may outlive.
import { appendFileSync, existsSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import { StudioError } from '../errors.ts'
import { takeLock } from '../files/processLock.ts'
import { openStudio, type StudioSettings } from '../pipeline/studio.ts'
import { readEmbeddingArguments } from '../train/embedding/parameters.ts'
import { prepareEmbedding } from '../train/embedding/prepare.ts'
import { trainEmbedding } from '../train/embedding/run.ts'
import { withLoggedSamples } from '../train/log/sampleLog.ts'
import { readArguments } from '../train/lora/arguments.ts'
import { prepareRun } from '../train/lora/prepare.ts'
import { trainLora } from '../train/lora/run.ts'
import { version } from '../version.ts'
import { Narrator } from './inWords.ts'
import { RunFolder, runFiles } from './runFolder.ts'

// The native runtime reads this when it loads, which is long after this line.
process.env.ORT_DISABLE_TELEMETRY = '1'

/** What the process is told when it starts. */
export interface RunArguments extends StudioSettings {
  readonly folder: string
  readonly dataDir: string
  readonly threads: number
  /** Locked while a training of any server runs on this machine. */
  readonly machineLock: string
}

const patienceMs = 5000
const listenEveryMs = 300

const { folder, dataDir, machineLock, ...settings } = JSON.parse(process.argv[2] ?? '{}') as RunArguments

const write = (line: object) =>
  appendFileSync(join(folder, runFiles.events), `${JSON.stringify({ at: Date.now(), ...line })}\n`)
const print = (line: string) => process.stdout.write(`${line}\n`)

try {
  await run()
} catch (error) {
  const known = error instanceof StudioError
  const { message } = error as Error
  const field = known ? error.field : undefined
  write({ kind: 'failed', code: known ? error.code : 'crashed', message, ...(field !== undefined && { field }) })
  print(`error: ${known ? message : ((error as Error).stack ?? message)}`)
  process.exitCode = 1
}

async function run(): Promise<void> {
  const alive = takeLock(join(folder, runFiles.alive), patienceMs)
  if (!alive) throw new StudioError('conflict', 'the training of this folder runs already')
  write({ kind: 'began', pid: process.pid })
  const machine = takeLock(machineLock, patienceMs)
  if (!machine) throw new StudioError('conflict', 'another training runs on this machine')
  // Pictures that people wait for come first.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL)

  // Before anything that keeps the process alive: what is wrong here ends it.
  const { kind, parameters } = new RunFolder(folder).request
  const studio = openStudio(dataDir, settings)
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  const listening = setInterval(() => {
    if (existsSync(join(folder, runFiles.stop))) stop.abort()
  }, listenEveryMs)
  try {
    const given = new Map(Object.entries(parameters))
    const narrator = new Narrator()
    const places = { studio, folder, threads: settings.threads, programVersion: version, signal: stop.signal }
    const events =
      kind === 'embedding'
        ? trainEmbedding(await prepareEmbedding(readEmbeddingArguments(given), studio, folder), places)
        : trainLora(await prepareRun(readArguments(given, new Map()), studio, folder, settings.threads), places)
    for await (const event of withLoggedSamples(events)) {
      write(event)
      for (const line of narrator.lines(event)) print(line)
    }
  } finally {
    clearInterval(listening)
    await studio.close()
    machine.release()
    alive.release()
  }
}
