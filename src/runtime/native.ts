import type { InferenceSession, Tensor as NativeTensor } from 'onnxruntime-node'
import { StudioError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Feed } from './feed.ts'

/** A model as the native library holds it. */
export interface NativeSession {
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /**
   * Runs the model; it occupies the calling thread until it is done. Results named in `into` are written to the
   * memory given there, the others to memory of their own.
   */
  run(feeds: Readonly<Record<string, Feed>>, into?: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>
  dispose(): Promise<void>
}

export interface NativeOptions {
  /** Threads inside one operator. */
  readonly threads: number
  /** The folder that the locations of weights are relative to. */
  readonly folder: string
}

/**
 * Gives a ModelProto to the native library. Graphs come as they shall run: fusing and folding is done before
 * (`lower.ts`), and left to the library takes seconds and twice the memory. Prepacking stays off because its
 * products sum in another order than those from weights in plain order, and pixels must not depend on that.
 */
export async function openNative(model: Uint8Array, options: NativeOptions): Promise<NativeSession> {
  const { InferenceSession: sessions, Tensor: tensors } = await library()
  let session: InferenceSession
  try {
    session = await sessions.create(model, sessionOptions(options))
  } catch (error) {
    throw refusal(error)
  }
  return wrap(session, tensors)
}

/** How the native library opens a model. */
export function sessionOptions({ threads, folder }: NativeOptions): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'disabled',
    // Planned memory comes as one block per size of picture, none of which is given back.
    enableMemPattern: false,
    logSeverityLevel: 4,
    extra: {
      session: {
        disable_prepacking: '1',
        // Idle threads would otherwise spin on beside the next session's.
        force_spinning_stop: '1',
        model_external_initializers_file_folder_path: folder,
      },
    },
  }
}

/** The native library, loaded on first use. */
export async function library() {
  // Read by the library while it loads; without it, it opens a store in the user's cache folder and an uploader.
  process.env.ORT_DISABLE_TELEMETRY = '1'
  return import('onnxruntime-node')
}

/** A session of the native library as this floor shows it. */
export function wrap(session: InferenceSession, tensors: typeof NativeTensor): NativeSession {
  const toNative = ({ data, shape }: Feed) => {
    // The library refuses memory that threads share.
    if (data instanceof Float32Array) {
      return new tensors('float32', data.buffer instanceof SharedArrayBuffer ? data.slice() : data, shape)
    }
    if (data instanceof BigInt64Array) return new tensors('int64', data, shape)
    if (data instanceof Int32Array) return new tensors('int32', data, shape)
    return new tensors('uint8', data, shape)
  }
  const allToNative = (feeds: Readonly<Record<string, Feed>>) =>
    Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, toNative(feed)]))

  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds, into) {
      const missing = session.inputNames.find((name) => !feeds[name])
      if (missing !== undefined) throw new Error(`internal: ${missing} is not fed`)
      try {
        const results = await (into
          ? session.run(allToNative(feeds), allToNative(into))
          : session.run(allToNative(feeds)))
        return Object.fromEntries(
          Object.entries(results).map(([name, { data, dims }]): [string, Tensor] => {
            if (!(data instanceof Float32Array)) throw new Error(`internal: output ${name} is not float32`)
            return [name, { shape: dims, data }]
          }),
        )
      } catch (error) {
        throw refusal(error)
      }
    },
    dispose: () => session.release(),
  }
}

/** The library says everything in one string, of which only the lack of memory is not a mistake of ours. */
export function refusal(error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error)
  if (/bad_alloc|allocate memory|out of memory|Array buffer allocation/i.test(message)) {
    return new StudioError('no-space', `not enough memory for the model: ${message}`, { cause: error })
  }
  return new Error(`internal: the runtime refuses: ${message}`, { cause: error })
}
