import { realpathSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import type { InferenceSession, Tensor as NativeTensor } from 'onnxruntime-node'
import { StudioError } from '../errors.ts'
import { toOnnx } from '../graph/onnx.ts'
import type { Graph, Value } from '../graph/value.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { native } from './native.ts'
import type { Compile, CompileOptions, Feed, Session } from './session.ts'

/** Makes a graph ready to run on the CPU. */
export const compile: Compile = async (graph, options) => {
  const folder = commonFolder(weightPaths(graph))
  const model = toOnnx(graph, (weight) => {
    const { location, sizeBytes } = entryOf(weight)
    if ('bytes' in location) return { bytes: location.bytes }
    const path = relative(folder, realPath(location.path)).split(sep).join('/')
    return { location: path, offset: location.offset, length: sizeBytes }
  })
  const { InferenceSession: sessions, Tensor: nativeTensor } = await native()
  let session: InferenceSession
  try {
    session = await sessions.create(model, sessionOptions(options, folder))
  } catch (error) {
    throw new StudioError('unsupported', `the runtime refuses the graph: ${(error as Error).message}`, { cause: error })
  }
  return wrap(session, nativeTensor)
}

function sessionOptions({ residence, threads }: CompileOptions, folder: string): InferenceSession.SessionOptions {
  const isMapped = residence === 'mapped'
  return {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: isMapped ? 'disabled' : 'all',
    logSeverityLevel: 3,
    extra: {
      session: {
        disable_prepacking: isMapped ? '1' : '0',
        model_external_initializers_file_folder_path: folder,
      },
    },
  }
}

function wrap(session: InferenceSession, nativeTensor: typeof NativeTensor): Session {
  const toNative = (name: string, { data, shape }: Feed) => {
    if (data instanceof Float32Array) return new nativeTensor('float32', data, shape)
    if (data instanceof BigInt64Array) return new nativeTensor('int64', data, shape)
    if (data instanceof Int32Array) return new nativeTensor('int32', data, shape)
    if (data instanceof Uint8Array) return new nativeTensor('uint8', data, shape)
    throw new Error(`internal: ${name} is fed no typed array`)
  }
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds) {
      const inputs = Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, toNative(name, feed)]))
      const results = await session.run(inputs)
      return Object.fromEntries(
        Object.entries(results).map(([name, { data, dims }]): [string, Tensor] => {
          if (!(data instanceof Float32Array)) throw new Error(`internal: output ${name} is not float32`)
          return [name, { shape: dims, data }]
        }),
      )
    },
    dispose: () => session.release(),
  }
}

function entryOf(weight: Value) {
  if (weight.source.kind !== 'weight') throw new Error('internal: not a weight')
  return weight.source.entry
}

/** Model folders are full of links, and the runtime refuses those that lead elsewhere. */
function realPath(path: string): string {
  return realpathSync(resolve(path))
}

function weightPaths(graph: Graph): readonly string[] {
  const paths = new Set<string>()
  for (const weight of graph.weights) {
    const { location } = entryOf(weight)
    if ('path' in location) paths.add(realPath(location.path))
  }
  return [...paths]
}

/** The deepest folder that holds all files: the runtime takes weights from below one folder only. */
function commonFolder(paths: readonly string[]): string {
  const [first, ...rest] = paths
  if (first === undefined) return resolve('.')
  let folder = dirname(first)
  const holds = (path: string) => path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
  while (!rest.every(holds) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}
