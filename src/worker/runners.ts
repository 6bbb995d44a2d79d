import type { Studio } from '../pipeline/studio.ts'
import { generateRunner } from './generateRunner.ts'
import { postprocessRunner } from './postprocessRunner.ts'
import type { Runners } from './runner.ts'
import { scriptRunner } from './scriptRunner.ts'

/** Who does the work of each kind of task. */
export function runnersOf(studio: Studio): Runners {
  return { generate: generateRunner(studio), script: scriptRunner(studio), postprocess: postprocessRunner(studio) }
}
