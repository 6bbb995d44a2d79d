import { hiresSize } from '../pipeline/hiresSize.ts'
import type { Task } from './task.ts'

/** How much work a task is, in megapixel steps. */
export function costOf({ recipe }: Task): number {
  const { images, width, height, pass, hires } = recipe
  const first = width * height * pass.steps
  const second = hires ? areaOf(hiresSize(hires.target, { width, height }).picture) * hires.pass.steps : 0
  return (images.length * (first + second)) / 1e6
}

function areaOf({ width, height }: { readonly width: number; readonly height: number }): number {
  return width * height
}
