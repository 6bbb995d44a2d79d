import { fstatSync } from 'node:fs'
import { basename } from 'node:path'
import { StudioError } from '../errors.ts'
import { bytesPer, isDType } from '../tensor/dtype.ts'
import { badFile } from './badFile.ts'
import { type FlatPickle, FlattenError, flattenPickle } from './flattenPickle.ts'
import { isKind, PickleError, type PyStorage, type PyTensor, type PyValue } from './pyValues.ts'
import { readSlice, withFile } from './readWeight.ts'
import { bytesOfView, isRowMajor, lastElement } from './stridedView.ts'
import { torchRules } from './torchRules.ts'
import { unpickle } from './unpickle.ts'
import type { ForeignEntry, WeightEntry, WeightFile } from './weights.ts'
import { readMember, readZip, type ZipMember } from './zip.ts'

/** Names and small values only; those of the largest checkpoints take two megabytes. */
const maxPickleBytes = 2 ** 23

/** Where the bytes of a storage are: in the file, or packed in it and read by `load`. */
type StorageBytes = { readonly sizeBytes: number } & ({ readonly offset: number } | { readonly load: () => Uint8Array })

/** Reads what `torch.save` writes since PyTorch 1.6: a zip archive of one pickle and one member for each storage. */
export function parseTorchZip(path: string): WeightFile {
  return withFile(path, (descriptor) => {
    const members = readZip(descriptor, path, fstatSync(descriptor).size)
    const pickles = [...members.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name))
    const pickle = pickles[0]
    if (!pickle || pickles.length > 1) throw badFile(path, `${pickles.length} pickles in the archive, one is expected`)
    const root = pickle.name.slice(0, -'data.pkl'.length)
    checkMembers(path, root, members)
    const byteOrder = members.get(`${root}byteorder`)
    if (byteOrder && new TextDecoder().decode(readMember(descriptor, path, byteOrder)) !== 'little') {
      throw new StudioError('unsupported', `${basename(path)}: numbers with the highest byte first`)
    }
    if (pickle.sizeBytes > maxPickleBytes) {
      throw badFile(path, `a pickle of ${pickle.sizeBytes} bytes, at most ${maxPickleBytes} expected`)
    }

    const { value } = interpret(path, () => unpickle(readMember(descriptor, path, pickle), 0, torchRules()))
    return weightFile(path, value, (storage) => {
      const member = members.get(`${root}data/${storage.key}`)
      if (!member) return undefined
      if (member.method === 'stored') return { sizeBytes: member.sizeBytes, offset: member.offset }
      const load = () => withFile(path, (again) => readMember(again, path, member))
      return { sizeBytes: member.sizeBytes, load }
    })
  })
}

/** Folders, the members PyTorch writes, and its dot files, which nobody reads. A program (TorchScript) is refused. */
function checkMembers(path: string, root: string, members: ReadonlyMap<string, ZipMember>): void {
  for (const { name, sizeBytes } of members.values()) {
    const known =
      name.startsWith(root) && /^(?:data\.pkl|version|byteorder|data\/\d+|\.[\w/]+)?$/.test(name.slice(root.length))
    const isFolder = name.endsWith('/') && sizeBytes === 0
    if (known || isFolder) continue
    if (/^code\/|^constants\.pkl$/.test(name.slice(root.length))) {
      throw new StudioError('unsupported', `${basename(path)}: a TorchScript program, expected plain weights`)
    }
    throw badFile(path, `the archive has an unexpected member ${JSON.stringify(name.slice(0, 200))}`)
  }
}

/** The number with which legacy files of `torch.save` begin, as a pickle. */
const legacyMagic = 0x1950a86a20f9469cfc6cn
const legacyProtocol = 1001

/**
 * Reads what `torch.save` wrote before PyTorch 1.6: five pickles (magic number, protocol, machine, the object, the
 * storages' keys), then each storage as its length in elements and its bytes, in the order of the keys.
 */
export function parseTorchLegacy(path: string): WeightFile {
  return withFile(path, (descriptor) => {
    const { size } = fstatSync(descriptor)
    const head = readSlice(descriptor, path, 0, Math.min(size, maxPickleBytes))
    const storages = new Map<string, PyStorage>()
    let at = 0
    const next = (): PyValue =>
      interpret(path, () => {
        const rules = torchRules()
        const persistent = (id: PyValue) => {
          const storage = rules.persistent(id)
          if (isKind(storage, 'storage')) storages.set(storage.key, storage)
          return storage
        }
        const { value, end } = unpickle(head, at, { ...rules, persistent })
        at = end
        return value
      })

    if (next() !== legacyMagic) throw badFile(path, 'a pickle that PyTorch did not write')
    if (next() !== legacyProtocol) throw badFile(path, 'a legacy file of another protocol than 1001')
    const machine = next()
    if (isKind(machine, 'dict') && machine.items.get('little_endian') === false) {
      throw new StudioError('unsupported', `${basename(path)}: numbers with the highest byte first`)
    }
    const value = next()
    const keys = next()
    if (!isKind(keys, 'list')) throw badFile(path, 'the list of storages is missing')

    const found = new Map<string, StorageBytes>()
    for (const key of keys.items) {
      const storage = typeof key === 'string' ? storages.get(key) : undefined
      if (typeof key !== 'string' || !storage || found.has(key)) {
        throw badFile(path, 'the list of storages does not fit the tensors')
      }
      const width = elementBytes(storage.dtype)
      if (width === undefined) throw badFile(path, `a storage of type ${storage.dtype} in a legacy file`)
      const elements = Number(new DataView(readSlice(descriptor, path, at, 8).buffer).getBigUint64(0, true))
      const sizeBytes = elements * width
      if (at + 8 + sizeBytes > size) throw badFile(path, `storage ${key} ends outside the file: it was cut short`)
      found.set(key, { sizeBytes, offset: at + 8 })
      at += 8 + sizeBytes
    }
    if (at !== size) throw badFile(path, `the storages end at byte ${at} of ${size}`)
    return weightFile(path, value, (storage) => found.get(storage.key))
  })
}

/** Names the tensors of a pickle and finds their bytes. */
function weightFile(path: string, value: PyValue, find: (storage: PyStorage) => StorageBytes | undefined): WeightFile {
  const { tensors, values } = interpret<FlatPickle>(path, () => flattenPickle(value))
  const entries = new Map<string, WeightEntry>()
  const foreign: ForeignEntry[] = []
  for (const [name, tensor] of tensors) {
    const storage = find(tensor.storage)
    if (!storage) throw badFile(path, `the numbers of ${name} are missing`)
    if (isDType(tensor.dtype)) entries.set(name, weightEntry(path, name, tensor, storage))
    else foreign.push({ name, dtype: tensor.dtype, shape: tensor.shape })
  }
  return { path, format: 'pickle', metadata: new Map(), entries, foreign, values }
}

function weightEntry(path: string, name: string, tensor: PyTensor, storage: StorageBytes): WeightEntry {
  const { shape, strides, dtype } = tensor
  if (!isDType(dtype)) throw new Error(`internal: ${name} of type ${dtype}`)
  const width = bytesPer(dtype)
  // A tensor that names its own type may lie in an untyped storage, whose offsets count elements of the tensor's.
  const first = tensor.storage.offset * (elementBytes(tensor.storage.dtype) ?? 1) + tensor.offset * width
  const sizeBytes = shape.reduce((product, dim) => product * dim, width)
  const needed = sizeBytes === 0 ? 0 : first + (lastElement(shape, strides) + 1) * width
  if (!Number.isSafeInteger(sizeBytes) || !(needed <= storage.sizeBytes)) {
    throw badFile(
      path,
      `${name} of shape [${shape}] and strides [${strides}] leaves its storage of ${storage.sizeBytes} bytes`,
    )
  }
  const entry = { name, dtype, shape, sizeBytes }
  if (sizeBytes === 0) return { ...entry, location: { bytes: new Uint8Array(0) } }
  if ('offset' in storage && isRowMajor(shape, strides)) {
    return { ...entry, location: { path, offset: storage.offset + first } }
  }
  // An expanded tensor is larger than what is stored; one that is very much larger is an attack on memory.
  if (sizeBytes > Math.max(2 ** 26, 4 * storage.sizeBytes)) {
    throw badFile(path, `${name} of shape [${shape}] repeats ${storage.sizeBytes} bytes into ${sizeBytes}`)
  }
  const load = () => {
    const spanned = needed - first
    const bytes =
      'load' in storage
        ? storage.load().subarray(first, needed)
        : withFile(path, (descriptor) => readSlice(descriptor, path, storage.offset + first, spanned))
    return bytesOfView(bytes, shape, strides, width)
  }
  // Read whenever asked for and not kept: a checkpoint in another memory order would otherwise fill the memory.
  const location = {
    get bytes() {
      return load()
    },
  }
  return { ...entry, location }
}

/** Bytes of an element; unknown for the types of less than a byte or without values here. */
function elementBytes(dtype: string): number | undefined {
  if (isDType(dtype)) return bytesPer(dtype)
  return dtype === 'C64' ? 8 : dtype === 'C128' ? 16 : undefined
}

function interpret<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof PickleError) throw badFile(path, `refused for safety or damage: ${cause.message}`, cause)
    if (cause instanceof FlattenError) throw badFile(path, cause.message, cause)
    throw cause
  }
}
