// A worker process whose engine computes nothing: what is tested is everything around it.
import { join } from 'node:path'
import { serve } from '../../src/worker/serve.ts'
import { stubRunners } from './stubRunner.ts'

const { dataDir } = JSON.parse(process.argv[2] ?? '{}') as { dataDir: string }
let checkpoint: string | undefined
const runners = stubRunners(join(dataDir, 'outputs'), () => process.kill(process.pid, 'SIGKILL'))

await serve(() => ({
  runners: {
    ...runners,
    generate: (task, context) => {
      checkpoint = task.recipe.checkpoint.path
      return runners.generate(task, context)
    },
  },
  heldCheckpoint: () => checkpoint,
}))
