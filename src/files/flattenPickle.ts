import { isKind, type PyTensor, type PyValue } from './pyValues.ts'
import type { PlainMap, PlainValue } from './weights.ts'

/** What a pickle comes to: its tensors by name, and the rest as plain data. */
export interface FlatPickle {
  readonly tensors: ReadonlyMap<string, PyTensor>
  readonly values: PlainMap
}

/** Why a pickle's data has no plain form. */
export class FlattenError extends Error {}

/**
 * Values visited at most. A pickle of a few hundred bytes can hold lists of lists of the same list whose walk would
 * not end in a lifetime, so what is bounded is the walk.
 */
const maxVisits = 4_000_000
const maxDepth = 64
const maxNameLength = 4096

/**
 * Finds the tensors in nested dictionaries and lists and names them by their path, joined by dots. Of a training
 * checkpoint only what lies under `state_dict` counts, since the optimizer's tensors beside it are no weights.
 */
export function flattenPickle(root: PyValue): FlatPickle {
  const tensors = new Map<string, PyTensor>()
  let visits = 0

  const walk = (value: PyValue, path: string, depth: number): PlainValue | undefined => {
    if (++visits > maxVisits) throw new FlattenError(`more than ${maxVisits} values`)
    if (depth > maxDepth) throw new FlattenError(`values nested deeper than ${maxDepth}`)
    if (value === null || typeof value !== 'object') return value
    if (isKind(value, 'tensor')) {
      const name = path === '' ? 'tensor' : path
      if (name.length > maxNameLength) throw new FlattenError(`a name of ${name.length} characters`)
      if (tensors.has(name)) throw new FlattenError(`two tensors of the name ${JSON.stringify(name.slice(0, 200))}`)
      tensors.set(name, value)
      return undefined
    }
    if (isKind(value, 'dict')) return members(value.items, path, depth)
    if (isKind(value, 'object')) {
      // torch.nn.ParameterDict, in which the first textual inversions keep their vectors.
      const parameters = isKind(value.state, 'dict') ? value.state.items.get('_parameters') : undefined
      return isKind(parameters, 'dict') ? members(parameters.items, path, depth) : undefined
    }
    if (isKind(value, 'list') || isKind(value, 'tuple')) {
      const items = value.items.map((item, index) => walk(item, join(path, `${index}`), depth + 1))
      return items.filter((item) => item !== undefined)
    }
    return undefined
  }

  const members = (items: ReadonlyMap<PyValue, PyValue>, path: string, depth: number): PlainMap => {
    const plain = new Map<string, PlainValue>()
    for (const [key, value] of items) {
      if (typeof key !== 'string' && typeof key !== 'number') continue
      const member = walk(value, join(path, `${key}`), depth + 1)
      if (member !== undefined) plain.set(`${key}`, member)
    }
    return plain
  }

  const stateDict = isKind(root, 'dict') ? root.items.get('state_dict') : undefined
  if (isKind(root, 'dict') && isKind(stateDict, 'dict')) {
    walk(stateDict, '', 0)
    const beside = [...root.items].filter(([, value]) => value === null || typeof value !== 'object')
    return { tensors, values: members(new Map(beside), '', 0) }
  }
  const values = walk(root, '', 0)
  return { tensors, values: values instanceof Map ? values : new Map() }
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
