import { hiresSize } from '../pipeline/hiresSize.ts'
import type { ScriptTask, Task } from './task.ts'

/** How much work a task is, in megapixel steps. */
export function costOf(task: Task): number {
  if (task.kind === 'script') return scriptCost(task)
  if (task.kind === 'postprocess') return task.pictures.reduce((sum, each) => sum + areaOf(each), 0) / 1e6
  const { recipe } = task
  const { images, width, height, pass, hires } = recipe
  const first = width * height * pass.steps
  const second = hires ? areaOf(hiresSize(hires.target, { width, height }).picture) * hires.pass.steps : 0
  return (images.length * (first + second)) / 1e6
}

/** What one job of the request costs: how many it becomes, its script decides. */
function scriptCost({ request: { body } }: ScriptTask): number {
  const number = (field: string, otherwise: number) => (typeof body[field] === 'number' ? body[field] : otherwise)
  return (number('width', 512) * number('height', 512) * number('steps', 50)) / 1e6
}

function areaOf({ width, height }: { readonly width: number; readonly height: number }): number {
  return width * height
}
