import type { DType } from '../tensor/dtype.ts'

/**
 * One tensor of a weight file: its little-endian, row-major bytes lie at `offset` of the file `path`, or, where
 * the file holds them in another order or compressed, in `bytes`.
 */
export interface WeightEntry {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly sizeBytes: number
  readonly location: WeightLocation
  /** For a table of which only some rows are in the file: these. `location` has the whole of it. */
  readonly sparse?: SparseTable
}

/** Rows that are stored of a table whose others are zero. */
export interface SparseTable {
  /** The rows, [stored, width]. */
  readonly stored: WeightEntry
  /** Where each row of the table is among them; −1 for one that is not. */
  places(): Int32Array
}

type WeightLocation = FileSlice | { readonly bytes: Uint8Array }

/** Where bytes lie in a file; how many is the entry's `sizeBytes`. */
interface FileSlice {
  readonly path: string
  readonly offset: number
}

/** A tensor that is well formed but of an element type this program has no use for, such as U32 or F4. */
export interface ForeignEntry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
}

/** What a pickle or a JSON file holds besides tensors: text, numbers, and lists and maps of them. */
export type PlainValue = null | boolean | number | bigint | string | readonly PlainValue[] | PlainMap
export type PlainMap = ReadonlyMap<string, PlainValue>

/** A file (or diffusers folder) of named tensors. Only headers have been read; the numbers stay on disk. */
export interface WeightFile {
  readonly path: string
  readonly format: 'safetensors' | 'pickle' | 'diffusers'
  /** `__metadata__` of safetensors; empty for the other formats. */
  readonly metadata: ReadonlyMap<string, string>
  /** Tensors by name. Names of a pickle's nested dictionaries are joined by dots; `state_dict.` is dropped. */
  readonly entries: ReadonlyMap<string, WeightEntry>
  /** Tensors of element types that cannot be read. */
  readonly foreign: readonly ForeignEntry[]
  /** A pickle's values that are not tensors (an embedding's `name`, `step`, …), nested as they were. */
  readonly values?: PlainMap
  /** A diffusers folder's configuration files by component: `unet`, `vae`, `text_encoder`, `scheduler`, … */
  readonly configs?: PlainMap
}

/** A file's name without its folders, for messages. */
export function titleOf({ path }: WeightFile): string {
  return path.split(/[\\/]/).findLast((part) => part !== '') ?? path
}
