import { bytesPer } from '../tensor/dtype.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { badFile } from './badFile.ts'
import { readBytes, readWeight } from './readWeight.ts'
import type { WeightEntry, WeightFile } from './weights.ts'

/**
 * A table of which most rows are zero is stored as two tensors, `<name>.rows` [stored, width] and `<name>.ids`
 * [stored] int32, and a member of the metadata's `sparse_rows`: a JSON object of names and how many rows there are.
 * Whoever opens the file sees the whole table under its name.
 */
const metadataKey = 'sparse_rows'

/** A table beyond this is no table of any model. */
const largestBytes = 2 ** 30

/** The tensors that stand for a table of `rows` rows, of which those numbered `ids` are given. */
export function sparseRows(
  table: WeightEntry,
  ids: Int32Array,
  rows: number,
): { readonly entries: readonly WeightEntry[]; readonly metadata: readonly [string, string] } {
  const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)
  const idEntry: WeightEntry = {
    name: `${table.name}.ids`,
    dtype: 'I32',
    shape: [ids.length],
    sizeBytes: bytes.length,
    location: { bytes },
  }
  return {
    entries: [{ ...table, name: `${table.name}.rows` }, idEntry],
    metadata: [metadataKey, JSON.stringify({ [table.name]: rows })],
  }
}

/** The rows of a table that are not all zeros, and their numbers. */
export function rowsInUse(table: WeightEntry): { readonly stored: Tensor; readonly ids: Int32Array } {
  const { shape, data } = readWeight(table)
  const [rows, width] = shape as [number, number]
  const ids: number[] = []
  for (let row = 0; row < rows; row++) {
    if (data.subarray(row * width, (row + 1) * width).some((x) => x !== 0)) ids.push(row)
  }
  const stored = new Float32Array(ids.length * width)
  for (const [i, row] of ids.entries()) stored.set(data.subarray(row * width, (row + 1) * width), i * width)
  return { stored: { shape: [ids.length, width], data: stored }, ids: Int32Array.from(ids) }
}

/** The file with its sparse tables whole. Their bytes are put together when somebody asks for them. */
export function withWholeTables(file: WeightFile): WeightFile {
  const said = file.metadata.get(metadataKey)
  if (said === undefined) return file
  const entries = new Map(file.entries)
  for (const [name, rows] of tablesIn(file, said)) {
    const [stored, ids] = [entries.get(`${name}.rows`), entries.get(`${name}.ids`)]
    const count = stored?.shape[0]
    if (!stored || !ids || stored.shape.length !== 2 || ids.dtype !== 'I32' || ids.shape[0] !== count) {
      throw badFile(file.path, `${name}: expected ${name}.rows [n, width] and ${name}.ids [n] of type I32`)
    }
    const width = stored.shape[1]!
    const sizeBytes = rows * width * bytesPer(stored.dtype)
    if (sizeBytes > largestBytes) throw badFile(file.path, `${name}: a table of ${rows} rows of ${width} is too large`)
    entries.delete(stored.name)
    entries.delete(ids.name)
    entries.set(name, {
      name,
      dtype: stored.dtype,
      shape: [rows, width],
      sizeBytes,
      location: wholeTable(file, stored, ids, rows),
    })
  }
  return { ...file, entries }
}

function tablesIn({ path }: WeightFile, said: string): ReadonlyMap<string, number> {
  let parsed: unknown
  try {
    parsed = JSON.parse(said)
  } catch (cause) {
    throw badFile(path, `${metadataKey} is not JSON`, cause)
  }
  const tables = new Map(Object.entries(parsed ?? {}))
  for (const [name, rows] of tables) {
    if (!Number.isSafeInteger(rows) || rows < 1) throw badFile(path, `${metadataKey} says ${name} has ${rows} rows`)
  }
  return tables
}

/** Bytes that come to be when they are first read. */
function wholeTable(file: WeightFile, stored: WeightEntry, ids: WeightEntry, rows: number) {
  let whole: Uint8Array | undefined
  return {
    get bytes() {
      whole ??= spread(file, readBytes(stored), readBytes(ids), rows)
      return whole
    },
  }
}

function spread({ path }: WeightFile, stored: Uint8Array, idBytes: Uint8Array, rows: number): Uint8Array {
  const view = new DataView(idBytes.buffer, idBytes.byteOffset, idBytes.byteLength)
  const count = idBytes.length / 4
  const rowBytes = count === 0 ? 0 : stored.length / count
  const whole = new Uint8Array(rows * rowBytes)
  for (let i = 0; i < count; i++) {
    const id = view.getInt32(4 * i, true)
    if (id < 0 || id >= rows) throw badFile(path, `a stored row is numbered ${id} in a table of ${rows} rows`)
    whole.set(stored.subarray(i * rowBytes, (i + 1) * rowBytes), id * rowBytes)
  }
  return whole
}
