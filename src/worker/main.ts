// A worker process: `node main.js '{"dataDir": …}'`, started by a server.
import { openStudio, type StudioSettings } from '../pipeline/studio.ts'
import { runnersOf } from './runners.ts'
import { serve } from './serve.ts'

// The native runtime reads this when it loads, which is long after this line.
process.env.ORT_DISABLE_TELEMETRY = '1'

/** What a worker is told when it starts. */
export interface WorkerArguments extends StudioSettings {
  readonly dataDir: string
}

const { dataDir, ...settings } = JSON.parse(process.argv[2] ?? '{}') as WorkerArguments

await serve(() => {
  const studio = openStudio(dataDir, settings)
  return {
    runners: runnersOf(studio),
    heldCheckpoint: () => studio.heldCheckpoints[0],
  }
})
