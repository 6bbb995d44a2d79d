import type { Merges } from './merges.ts'

/**
 * Merges a word's tokens while any two neighbours can: always the earliest learnt pair, leftmost first.
 * A heap of candidate pairs keeps a word of n bytes at n log n, for words may be as long as their sender likes.
 */
export function mergeBytePairs(tokens: readonly number[], merges: Merges): number[] {
  const count = tokens.length
  const at = Int32Array.from(tokens)
  const after = Int32Array.from(tokens, (_, i) => i + 1)
  const before = Int32Array.from(tokens, (_, i) => i - 1)
  const heap: number[] = []

  // A candidate is its merged token and place in one number, so that numbers order as merges do.
  const propose = (left: number) => {
    const right = left < 0 ? count : after[left]!
    const token = right < count ? merges.tokenOf(at[left]!, at[right]!) : undefined
    if (token !== undefined) push(heap, token * 2 ** 32 + left)
  }
  for (let i = 0; i < count; i++) propose(i)

  while (heap.length > 0) {
    const candidate = pop(heap)
    const left = candidate % 2 ** 32
    const token = (candidate - left) / 2 ** 32
    const right = after[left]!
    // Either neighbour may have merged elsewhere since.
    if (at[left] === gone || right === count || merges.tokenOf(at[left]!, at[right]!) !== token) continue
    at[left] = token
    at[right] = gone
    after[left] = after[right]!
    if (after[left]! < count) before[after[left]!] = left
    propose(before[left]!)
    propose(left)
  }
  return [...at].filter((token) => token !== gone)
}

const gone = -1

function push(heap: number[], value: number): void {
  let i = heap.length
  heap.push(value)
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (heap[parent]! <= value) break
    heap[i] = heap[parent]!
    i = parent
  }
  heap[i] = value
}

function pop(heap: number[]): number {
  const top = heap[0]!
  const value = heap.pop()!
  if (heap.length === 0) return top
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
    if (heap[child]! >= value) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = value
  return top
}
