import { statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import type { InferenceSession } from 'onnxruntime-node'
import { StudioError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Feed } from './feed.ts'
import { library, type NativeSession, sessionOptions, wrap } from './native.ts'

/** An input or output of a model from a file: sizes that are open have a name. */
export interface Port {
  readonly name: string
  readonly type: string
  readonly shape: readonly (number | string)[]
}

/** A finished ONNX model of somebody else's. */
export interface ModelFile {
  readonly path: string
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
  /** Runs the model; what it says of wrong feeds becomes an error that names the file. */
  run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Tensor>>
  dispose(): Promise<void>
}

/**
 * Opens an ONNX file, with weights beside it where it has some. Unlike our own graphs it is given to the library's
 * optimiser: nobody has fused it before.
 */
export async function openModelFile(path: string, { threads }: { readonly threads: number }): Promise<ModelFile> {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats?.isFile()) throw new StudioError('missing-file', `${path}: expected an ONNX model`, { field: path })
  const { InferenceSession: sessions, Tensor: tensors } = await library()
  const whole = resolve(path)
  let session: InferenceSession
  try {
    session = await sessions.create(whole, {
      ...sessionOptions({ threads, folder: dirname(whole) }),
      graphOptimizationLevel: 'all',
    })
  } catch (cause) {
    throw refused(path, 'cannot be opened as an ONNX model', cause)
  }
  const native: NativeSession = wrap(session, tensors)
  return {
    path,
    inputs: session.inputMetadata.map(portOf),
    outputs: session.outputMetadata.map(portOf),
    async run(feeds) {
      const unknown = native.inputs.find((name) => !feeds[name])
      if (unknown !== undefined) {
        throw new StudioError(
          'wrong-architecture',
          `${path}: wants an input ${unknown}, which this kind of model has not`,
        )
      }
      try {
        return await native.run(feeds)
      } catch (cause) {
        if (cause instanceof StudioError) throw cause
        throw refused(path, 'does not take what this kind of model takes', cause)
      }
    },
    dispose: native.dispose,
  }
}

function portOf(port: InferenceSession.ValueMetadata): Port {
  return port.isTensor
    ? { name: port.name, type: port.type, shape: port.shape }
    : { name: port.name, type: '', shape: [] }
}

function refused(path: string, problem: string, cause: unknown): StudioError {
  const reason = (cause as Error).message.split('\n')[0]
  return new StudioError('bad-file', `${basename(path)}: ${problem}: ${reason}`, { cause, field: basename(path) })
}
