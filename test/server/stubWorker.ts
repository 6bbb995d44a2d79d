// A worker process whose engine computes nothing: what is tested is everything around it.
import { join } from 'node:path'
import { serve } from '../../src/worker/serve.ts'
import { stubRunner } from './stubRunner.ts'

const { dataDir } = JSON.parse(process.argv[2] ?? '{}') as { dataDir: string }
let checkpoint: string | undefined
const run = stubRunner(join(dataDir, 'outputs'), () => process.kill(process.pid, 'SIGKILL'))

await serve(() => ({
  runners: {
    generate: (task, context) => {
      checkpoint = task.recipe.checkpoint.path
      return run(task, context)
    },
  },
  heldCheckpoint: () => checkpoint,
}))
