import type { OpName } from './operators.ts'
import type { Value } from './value.ts'

/** Whether an operator's result is what it reads, under another shape or name. */
export function isView(op: OpName): boolean {
  return op === 'Reshape' || op === 'After'
}

/** The value in whose memory this one lies. */
export function memoryOf(value: Value): Value {
  const { source } = value
  return source.kind === 'node' && isView(source.node.op) ? memoryOf(source.node.inputs[0]!) : value
}
