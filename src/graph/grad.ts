import { sameDims, shapeText } from './dim.ts'
import type { OpName } from './operators.ts'
import { add, constant, expand } from './ops.ts'
import { Recomputation } from './recomputation.ts'
import type { Node, Value } from './value.ts'
import { type Vjp, vjp } from './vjp.ts'

/** How a way back is made. */
export interface GradOptions {
  /**
   * Whether what the way back needs is computed anew instead of kept: the same gradients to the bit, in a fraction of
   * the memory, for one more way forth. All shapes must be numbers.
   */
  readonly recomputes?: boolean
}

/**
 * Reverse-mode differentiation, graph to graph: appends to the loss's graph the computation of ∂loss/∂x for each x of
 * `wrt`, in their order. The loss is a scalar. Only nodes on a path from an x to the loss are walked, so whatever is
 * frozen costs nothing; an x the loss does not depend on gets zeros.
 */
export function grad(loss: Value, wrt: readonly Value[], { recomputes = false }: GradOptions = {}): readonly Value[] {
  if (loss.shape.some((dim) => dim !== 1)) {
    throw new Error(`internal: the gradient of a loss of shape ${shapeText(loss.shape)}`)
  }
  const { graph } = loss
  const forward = graph.nodes.slice()
  const depends = dependents(forward, wrt)
  const recomputation = recomputes ? new Recomputation(graph, forward) : undefined

  const gradients = new Map<Value, Value>([[loss, expand(constant(graph, 1), loss.shape)]])
  for (const node of forward.reverse()) {
    const [y] = node.outputs
    const dy = gradients.get(y!)
    if (!dy || !depends.has(y!)) continue
    const known = graph.derivatives.get(y!)
    const inputs = known?.inputs ?? node.inputs
    const kept = recomputation?.on(node, dy) ?? ((value) => value)
    const back = known?.vjp(dy, kept) ?? backward(node, dy, kept)
    back.forEach((gradient, position) => {
      const x = inputs[position]
      if (!gradient || !x || !depends.has(x)) return
      if (!sameDims(gradient.shape, x.shape)) {
        throw new Error(`internal: ${node.op} gives ${shapeText(gradient.shape)} for ${shapeText(x.shape)}`)
      }
      const before = gradients.get(x)
      gradients.set(x, before ? add(before, gradient) : gradient)
    })
  }
  return wrt.map((x) => gradients.get(x) ?? expand(constant(graph, 0), x.shape))
}

/** Values that depend on one of `wrt`, themselves included. */
function dependents(nodes: readonly Node[], wrt: readonly Value[]): ReadonlySet<Value> {
  const depends = new Set(wrt)
  for (const { inputs, outputs } of nodes) {
    if (!inputs.some((input) => input && depends.has(input))) continue
    for (const output of outputs) depends.add(output)
  }
  return depends
}

function backward(node: Node, dy: Value, kept: (value: Value) => Value): readonly (Value | null)[] {
  const rule = vjp[node.op] as Vjp<OpName> | null
  if (!rule) return []
  // Absent optional inputs stay absent: a rule asks for them only where the operator has them.
  const inputs = node.inputs.map((input) => input && kept(input)) as readonly Value[]
  return rule(dy, kept(node.outputs[0]!), inputs, node.params)
}
