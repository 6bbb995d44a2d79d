import { StudioError } from '../errors.ts'
import type { Studio } from '../pipeline/studio.ts'
import type { Endpoint } from '../pipeline/wire/request.ts'
import { loopback } from './loopback.ts'
import { outpaintingMk2 } from './outpaintingMk2.ts'
import { Painter, type PictureTask, type TaskControls } from './painter.ts'
import { poorMansOutpainting } from './poorMansOutpainting.ts'
import type { Processed, TaskProgress } from './processed.ts'
import { promptMatrix } from './promptMatrix.ts'
import { promptsFromFile } from './promptsFromFile.ts'
import type { Script } from './script.ts'
import { sdUpscale } from './sdUpscale.ts'
import { xyzPlot } from './xyz/plot.ts'

/** Every script, in the order in which A1111 lists them. */
export const scripts: readonly Script[] = [
  loopback,
  outpaintingMk2,
  poorMansOutpainting,
  promptMatrix,
  promptsFromFile,
  sdUpscale,
  xyzPlot,
]

/** The script of a name, in any case, that an endpoint offers. */
export function findScript(name: string, endpoint: Endpoint): Script | undefined {
  return scripts.find(({ title, endpoints }) => title === name.toLowerCase() && endpoints.includes(endpoint))
}

/** Runs the script that a request names. */
export function runScript(
  studio: Studio,
  task: PictureTask,
  controls: TaskControls = {},
): AsyncGenerator<TaskProgress, Processed> {
  const { script_name: name, script_args: args } = task.body
  const script = typeof name === 'string' ? findScript(name, task.endpoint) : undefined
  if (!script) {
    const titles = scripts.filter(({ endpoints }) => endpoints.includes(task.endpoint)).map(({ title }) => title)
    throw new StudioError(
      'unknown-name',
      `script_name: no script is called "${name}"; there are ${titles.join(', ')}`,
      {
        field: 'script_name',
      },
    )
  }
  return script.run(new Painter(studio, task, controls), Array.isArray(args) ? args : [])
}
