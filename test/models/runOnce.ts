import { tmpdir } from 'node:os'
import type { Graph } from '../../src/graph/value.ts'
import { compile } from '../../src/runtime/compile.ts'
import type { Feed } from '../../src/runtime/session.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'

/** Runs a graph once and gives its only output. */
export async function runOnce(graph: Graph, feeds: Readonly<Record<string, Feed>>): Promise<Tensor> {
  const session = await compile(graph, { residence: 'mapped', threads: 1, cacheDir: tmpdir() })
  const [result] = Object.values(await session.run(feeds))
  await session.dispose()
  return result!
}

/** ‖a − b‖ / ‖b‖; infinite where the shapes differ. */
export function relativeError(a: Tensor, b: Tensor): number {
  if (a.shape.join() !== b.shape.join()) return Number.POSITIVE_INFINITY
  let difference = 0
  let size = 0
  for (const [i, x] of b.data.entries()) {
    difference += (a.data[i]! - x) ** 2
    size += x ** 2
  }
  return Math.sqrt(difference / size)
}
