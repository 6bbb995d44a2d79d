import type { Graph } from '../graph/value.ts'
import { compile } from '../runtime/compile.ts'
import type { Session } from '../runtime/session.ts'

/**
 * Sessions for the parts of a batch. Where there are parts enough, each gets one thread and computes beside the others:
 * threads inside an operator wait for each other after each of thousands, and those that only move numbers use one.
 */
export async function sessionsFor(graph: Graph, parts: number, threads: number): Promise<readonly Session[]> {
  const residence = 'mapped'
  if (parts < 2 || threads < 2) return [await compile(graph, { residence, threads })]
  const count = Math.min(parts, threads)
  return Promise.all(Array.from({ length: count }, () => compile(graph, { residence, threads: 1, isAside: true })))
}
