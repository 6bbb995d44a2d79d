import type { Graph, Node } from '../graph/value.ts'

/**
 * The nodes with those that nothing reads at the end, the first of them last: so written, the runtime finishes each
 * result as soon as what it needs is there. It begins with the last of them, and from the order of a training graph it
 * would go all the way back before it made one gradient of a weight.
 */
export function resultsLast(graph: Graph): readonly Node[] {
  const read = readNodes(graph)
  return [...graph.nodes.filter((node) => read.has(node)), ...graph.nodes.filter((node) => !read.has(node)).reverse()]
}

/**
 * The order in which the runtime runs a graph written so: from the last node that nothing reads, what it needs first, of
 * which again the last, then the one before it.
 */
export function runOrder(graph: Graph): readonly Node[] {
  const written = resultsLast(graph)
  const places = new Map(written.map((node, place) => [node, place]))
  const read = readNodes(graph)
  const order: Node[] = []
  const begun = new Set<Node>()
  const waiting = written.filter((node) => !read.has(node)).map((node) => ({ node, isReady: false }))
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { node, isReady } = next
    if (isReady) order.push(node)
    if (isReady || begun.has(node)) continue
    begun.add(node)
    waiting.push({ node, isReady: true })
    const needed = sourcesOf(node).filter((source) => !begun.has(source))
    needed.sort((a, b) => places.get(a)! - places.get(b)!)
    waiting.push(...needed.map((source) => ({ node: source, isReady: false })))
  }
  return order
}

function readNodes(graph: Graph): ReadonlySet<Node> {
  return new Set(graph.nodes.flatMap(sourcesOf))
}

function sourcesOf({ inputs }: Node): Node[] {
  return inputs.flatMap((input) => (input?.source.kind === 'node' ? [input.source.node] : []))
}
