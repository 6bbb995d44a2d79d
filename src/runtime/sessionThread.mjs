// @ts-check
// A session of the native library on a thread of its own, so that several compute at once: a run occupies its thread.
// Plain JavaScript, because a thread starts from a file as it is, whether the program around it was compiled or not.
import { parentPort, workerData } from 'node:worker_threads'

/** @typedef {import('./threadMessages.ts').ThreadRequest} ThreadRequest */
/** @typedef {import('./threadMessages.ts').ThreadReply} ThreadReply */
/** @typedef {import('./feed.ts').Feed} Feed */

const { InferenceSession, Tensor } = await import('onnxruntime-node')
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort)

/** Memory for feeds that come as shared memory, which the library refuses. @type {Map<string, Float32Array>} */
const copies = new Map()

/** @type {import('onnxruntime-node').InferenceSession | undefined} */
let session

port.on('message', async (/** @type {ThreadRequest} */ request) => {
  try {
    await answer(request)
  } catch (error) {
    reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
})

/** @param {ThreadRequest} request */
async function answer(request) {
  if (request.kind === 'open') {
    session = await InferenceSession.create(workerData.model, workerData.options)
    reply({ kind: 'opened', inputs: session.inputNames, outputs: session.outputNames })
  } else if (request.kind === 'run') {
    if (!session) throw new Error('a run before the session is open')
    const feeds = Object.fromEntries(Object.entries(request.feeds).map(([name, feed]) => [name, toNative(name, feed)]))
    const results = Object.entries(await session.run(feeds)).map(([name, { data, dims }]) => {
      if (!(data instanceof Float32Array)) throw new Error(`output ${name} is not float32`)
      return /** @type {const} */ ([name, { shape: dims, data }])
    })
    reply({ kind: 'ran', results: Object.fromEntries(results) })
  } else {
    await session?.release()
    reply({ kind: 'closed' })
    port.close()
  }
}

/** @param {string} name @param {Feed} feed */
function toNative(name, { data, shape }) {
  if (data instanceof Float32Array) return new Tensor('float32', ofOwn(name, data), shape)
  if (data instanceof BigInt64Array) return new Tensor('int64', data, shape)
  if (data instanceof Int32Array) return new Tensor('int32', data, shape)
  return new Tensor('uint8', data, shape)
}

/** @param {string} name @param {Float32Array} data */
function ofOwn(name, data) {
  if (!(data.buffer instanceof SharedArrayBuffer)) return data
  const known = copies.get(name)
  const copy = known?.length === data.length ? known : new Float32Array(data.length)
  copy.set(data)
  copies.set(name, copy)
  return copy
}

/** @param {ThreadReply} message */
function reply(message) {
  const results = message.kind === 'ran' ? Object.values(message.results) : []
  port.postMessage(message, /** @type {ArrayBuffer[]} */ (results.map(({ data }) => data.buffer)))
}
