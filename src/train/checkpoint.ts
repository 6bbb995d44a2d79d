import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { toF16 } from '../tensor/half.ts'
import { sameShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Optimizer } from './optimizers/optimizer.ts'
import type { Parameters } from './parameters.ts'
import type { TrainingState } from './trainer.ts'

/** A run at its beginning: averages are the parameters themselves, which lie in memory that threads share. */
export function newTraining(
  initial: Parameters,
  makeOptimizer: (parameters: readonly Tensor[]) => Optimizer,
): TrainingState {
  const parameters = new Map([...initial].map(([name, x]) => [name, shared(x)]))
  const averages = new Map([...initial].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]))
  return { step: 0, parameters, averages, optimizer: makeOptimizer([...parameters.values()]) }
}

function shared({ shape, data }: Tensor): Tensor {
  const copy = new Float32Array(new SharedArrayBuffer(data.byteLength))
  copy.set(data)
  return { shape, data: copy }
}

/** Names of averages begin with it. */
export const averagePrefix = 'average.'
const optimizerPrefix = 'optimizer.'

/**
 * Writes all of a run's state to a safetensors file, whole or not at all: parameters by their names, the rest under
 * prefixes. `fingerprint` says which run this is; `constants` are tensors that whoever uses the result needs beside it.
 */
export function saveTraining(
  path: string,
  state: TrainingState,
  fingerprint: string,
  constants: readonly WeightEntry[] = [],
): void {
  const { step, parameters, averages, optimizer } = state
  const entries = [
    ...constants,
    ...[...parameters].map(([name, x]) => entryOf(name, x)),
    ...[...averages].map(([name, x]) => entryOf(averagePrefix + name, x)),
    ...[...optimizer.state.tensors].map(([name, data]) =>
      entryOf(optimizerPrefix + name, { shape: [data.length], data }),
    ),
  ]
  const metadata = { step: `${step}`, optimizer: JSON.stringify(optimizer.state.numbers), fingerprint }
  writeSafetensors(path, entries, new Map(Object.entries(metadata)))
}

/** Brings a new run to where a saved one was. A file of another run, or of other shapes, is an error. */
export function resumeTraining(path: string, state: TrainingState, fingerprint: string): void {
  const { entries, metadata } = openWeights(path)
  const said = metadata.get('fingerprint')
  if (said !== fingerprint) {
    const problem = `belongs to a run with the configuration ${said}, expected ${fingerprint}`
    throw new StudioError('bad-request', `${path}: ${problem}`, { field: path })
  }
  const read = (name: string, into: Float32Array, shape: readonly number[]) => {
    const entry = entries.get(name)
    if (!entry || !sameShape(entry.shape, shape)) {
      const found = entry ? `[${entry.shape}]` : 'missing'
      throw new StudioError('bad-file', `${path}: ${name} is ${found}, expected [${shape}]`, { field: path })
    }
    into.set(readWeight(entry).data)
  }
  for (const [name, { shape, data }] of state.parameters) read(name, data, shape)
  for (const [name, { shape, data }] of state.averages) read(averagePrefix + name, data, shape)
  for (const [name, data] of state.optimizer.state.tensors) read(optimizerPrefix + name, data, [data.length])
  Object.assign(state.optimizer.state.numbers, JSON.parse(metadata.get('optimizer') ?? '{}'))
  state.step = Number(metadata.get('step'))
}

/** The averaged parameters of a saved run, and what its fingerprint says. */
export function readAverages(path: string): { readonly averages: Parameters; readonly fingerprint: string } {
  const { entries, metadata } = openWeights(path)
  const averages = new Map<string, Tensor>()
  for (const [name, entry] of entries) {
    if (name.startsWith(averagePrefix)) averages.set(name.slice(averagePrefix.length), readWeight(entry))
  }
  const fingerprint = metadata.get('fingerprint')
  if (fingerprint === undefined || averages.size === 0) {
    throw new StudioError('bad-file', `${path}: is no checkpoint of a training run`, { field: path })
  }
  return { averages, fingerprint }
}

/** Numbers in memory as an entry of a file to be written. */
export function entryOf(name: string, { shape, data }: Tensor): WeightEntry {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return { name, dtype: 'F32', shape, sizeBytes: bytes.length, location: { bytes } }
}

/** The same in half precision, which has to have room for them. */
export function halfEntryOf(name: string, { shape, data }: Tensor): WeightEntry {
  const bits = toF16(data)
  const isTooLarge = data.some((x) => Math.abs(x) > 65504)
  if (isTooLarge) throw new StudioError('not-a-number', `${name}: has numbers that half precision cannot hold`)
  const bytes = new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength)
  return { name, dtype: 'F16', shape, sizeBytes: bytes.length, location: { bytes } }
}
