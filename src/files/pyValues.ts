export type PyValue = null | boolean | number | bigint | string | Uint8Array | PyCompound
export type PyCompound = PyList | PyTuple | PyDict | PyGlobal | PyObject | PyStorage | PyTensor

/** A list or a set. */
export interface PyList {
  readonly kind: 'list'
  readonly items: PyValue[]
}

export interface PyTuple {
  readonly kind: 'tuple'
  readonly items: readonly PyValue[]
}

interface PyDict {
  readonly kind: 'dict'
  readonly items: Map<PyValue, PyValue>
}

/** A name of the Python world, `module.name`, which stays a name. */
export interface PyGlobal {
  readonly kind: 'global'
  readonly name: string
}

/** The record of an object that would have been made: its class and what it would have been given. */
interface PyObject {
  readonly kind: 'object'
  readonly type: string
  state: PyValue
}

/** A run of elements that lies outside the pickle under `key`. */
export interface PyStorage {
  readonly kind: 'storage'
  readonly key: string
  readonly dtype: string
  readonly elements: number
  /** First element of a legacy storage that is a view of another. */
  readonly offset: number
}

/** A strided view of a storage; offset and strides count elements. */
export interface PyTensor {
  readonly kind: 'tensor'
  readonly storage: PyStorage
  readonly dtype: string
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
}

export interface PickleRules {
  /** What the name stands for; throws where it is not on the list. */
  global(name: string): PyGlobal
  /** What calling `callee` with `args` gives; throws where that is not allowed. */
  call(callee: PyGlobal, args: readonly PyValue[]): PyCompound
  /** Gives an object its state. */
  build(target: PyValue, state: PyValue): void
  /** What a persistent id stands for. */
  persistent(id: PyValue): PyCompound
}

/** Why a pickle is refused. The machine adds opcode and offset, the opener the file. */
export class PickleError extends Error {}

export function isKind<K extends PyCompound['kind']>(
  value: PyValue | undefined,
  kind: K,
): value is Extract<PyCompound, { kind: K }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind
}
